import { assignPartitions, type Assignment } from '../shared/ring/assign.ts'
import { encodeAssignment } from '../shared/ring/encode-assignment.ts'
import { HashRing, partitionPositions } from '../shared/ring/hash-ring.ts'
import { leastMoves, movesBetween } from '../shared/ring/moves.ts'

export const TABLE_PARTITIONS: readonly number[] = [64, 256, 1_024, 65_536]
export const TABLE_MEMBERS: readonly number[] = [2, 3, 10, 30, 100, 1_000]

/** Tries of which the quickest counts: the first ones are compiled on the way. */
const TRIES = 3

/** What one member's joining or leaving moves. */
interface Change {
  readonly moved: number
  readonly least: number
  /** Bounded loads without the previous map. */
  readonly movedAnew: number
  /** A plain ring: no bounds, no map. */
  readonly movedPlain: number
}

export interface RingRow {
  readonly partitions: number
  readonly members: number
  /** Largest load less smallest, before and after the changes. */
  readonly difference: number
  readonly join: Change
  readonly leave: Change
  /** Largest load of a plain ring over the mean. */
  readonly plainExcess: number
  /** Processor time of the slowest of the three assignments: none before, one joins, one leaves. */
  readonly ms: number
  readonly jsonBytes: number
}

export function ringRow(partitions: number, members: number): RingRow {
  const before = namesOf(members)
  const joined = namesOf(members + 1)
  // One from the middle: neither the first nor the last by name is like any other.
  const left = before.filter((_, i) => i !== members >> 1)
  const first = timed(() => assignPartitions(partitions, before, undefined))
  const afterJoin = timed(() => assignPartitions(partitions, joined, first.result))
  const afterLeave = timed(() => assignPartitions(partitions, left, first.result))
  const plain = plainRing(partitions, before)
  const change = (names: readonly string[], after: Assignment): Change => ({
    moved: movesBetween(first.result, after),
    least: leastMoves(partitions, names, first.result),
    movedAnew: movesBetween(first.result, assignPartitions(partitions, names, undefined)),
    movedPlain: movesBetween(plain, plainRing(partitions, names)),
  })
  const all = [first, afterJoin, afterLeave]
  return {
    partitions,
    members,
    difference: Math.max(...all.map(({ result }) => differenceOf(result))),
    join: change(joined, afterJoin.result),
    leave: change(left, afterLeave.result),
    plainExcess: Math.max(...loadsOf(plain)) / (partitions / members),
    ms: Math.max(...all.map(({ ms }) => ms)),
    jsonBytes: encodeAssignment(first.result).length,
  }
}

export interface NodesRow {
  readonly nodesEach: number
  /** Largest load of a plain ring over the mean, 128 partitions on 10 members. */
  readonly plainExcess: number
  /** Share of 65,536 partitions on 1,000 members that bounded loads leave at their first choice on the ring. */
  readonly firstChoice: number
  /** Processor time to make a ring of 1,000 members. */
  readonly ms: number
}

export function nodesRow(nodesEach: number): NodesRow {
  const few = loadsOf(plainRing(128, namesOf(10), nodesEach))
  const many = loadsOf(plainRing(65_536, namesOf(1_000), nodesEach))
  const bound = 65_536 / 1_000
  return {
    nodesEach,
    plainExcess: Math.max(...few) / 12.8,
    firstChoice: many.reduce((sum, load) => sum + Math.min(load, bound), 0) / 65_536,
    ms: timed(() => new HashRing(namesOf(1_000), nodesEach)).ms,
  }
}

function namesOf(members: number): readonly string[] {
  return Array.from({ length: members }, (_, i) => `consumer-${i}`)
}

/** Each partition to the first node behind it, whatever the loads. */
function plainRing(partitions: number, names: readonly string[], nodesEach?: number): Assignment {
  const members = [...names].sort()
  const ring = new HashRing(members, nodesEach)
  return {
    members,
    owners: Array.from(partitionPositions(partitions), (position) => ring.memberAt(ring.rankFrom(position))),
  }
}

function loadsOf({ members, owners }: Assignment): readonly number[] {
  const loads = members.map(() => 0)
  for (const owner of owners) loads[owner] = (loads[owner] ?? 0) + 1
  return loads
}

function differenceOf(assignment: Assignment): number {
  const loads = loadsOf(assignment)
  return Math.max(...loads) - Math.min(...loads)
}

/** Processor time, not time on the clock: on a busy machine that says how busy it is. */
function timed<T>(run: () => T): { readonly result: T; readonly ms: number } {
  const tries = Array.from({ length: TRIES }, () => {
    const before = process.cpuUsage()
    const result = run()
    const { user, system } = process.cpuUsage(before)
    return { result, ms: (user + system) / 1_000 }
  })
  return tries.reduce((best, next) => (next.ms < best.ms ? next : best))
}
