import { ClockwiseWalk } from './clockwise-walk.ts'
import { HashRing, partitionPositions } from './hash-ring.ts'

/**
 * Who owns which partition. `owners[p]` is the owner of partition p as an index into `members`, which are sorted by
 * code unit and distinct. Without members there are no owners either: both lists are empty.
 */
export interface Assignment {
  readonly members: readonly string[]
  readonly owners: readonly number[]
}

const NOBODY = -1

/**
 * Spreads partitions over members so that
 *
 * - loads differ by at most one;
 * - of what `previous` says, as little changes as such loads allow (`leastMoves` in moves.ts counts it);
 * - what has to find a new owner goes to the first member with room, clockwise on the ring: consistent hashing with
 *   bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016, arXiv:1608.01350), with the bound as tight as it can be.
 *
 * The same input gives the same answer everywhere, whatever the order of `members`.
 *
 * @param partitions how many there are, numbered from 0
 * @param members in any order; naming one twice changes nothing
 * @param previous may name members that are gone and have another number of partitions: what both have in common counts
 */
export function assignPartitions(
  partitions: number,
  members: readonly string[],
  previous: Assignment | undefined,
): Assignment {
  const names = [...new Set(members)].sort()
  if (names.length === 0) return { members: [], owners: [] }
  const ring = new HashRing(names)
  const positions = partitionPositions(partitions)
  const share = Math.floor(partitions / names.length)
  const held = heldBefore(names, partitions, previous)
  const larger = holdingMore(held, share, partitions % names.length)

  const owners = new Array<number>(partitions).fill(NOBODY)
  const loads = held.map((partitionsHeld, member) => {
    const kept = nearest(ring, positions, member, partitionsHeld, larger.has(member) ? share + 1 : share)
    for (const partition of kept) owners[partition] = member
    return kept.length
  })

  // As long as larger shares are left, whoever comes first on the ring may take one.
  let largerLeft = (partitions % names.length) - larger.size
  const loadOf = (member: number): number => loads[member] ?? 0
  const walk = new ClockwiseWalk(ring, (member) => loadOf(member) >= (largerLeft > 0 ? share + 1 : share))
  owners.forEach((owner, partition) => {
    if (owner !== NOBODY) return
    const member = walk.firstFrom(positions[partition] ?? 0)
    if (member === undefined) throw new RangeError('shares do not add up to the number of partitions')
    owners[partition] = member
    loads[member] = loadOf(member) + 1
    if (loadOf(member) > share) largerLeft -= 1
  })
  return { members: names, owners }
}

/** Name of a partition's owner; undefined if there are no members, or no such partition. */
export function ownerOf(assignment: Assignment, partition: number): string | undefined {
  const owner = assignment.owners[partition]
  return owner === undefined ? undefined : assignment.members[owner]
}

/** The partitions that each member held and may keep, by member. */
function heldBefore(
  names: readonly string[],
  partitions: number,
  previous: Assignment | undefined,
): readonly (readonly number[])[] {
  const held = names.map((): number[] => [])
  if (previous === undefined) return held
  const listOf = new Map(names.map((name, member) => [name, held[member]]))
  const lists = previous.members.map((name) => listOf.get(name))
  previous.owners.slice(0, partitions).forEach((owner, partition) => lists[owner]?.push(partition))
  return held
}

/**
 * The members that keep one more than their share, at most `count`. Each that holds more spares one move by it, however
 * much it holds, so the first by name will do.
 */
function holdingMore(
  held: readonly (readonly number[])[],
  share: number,
  count: number,
): ReadonlySet<number> {
  const candidates = held.flatMap(({ length }, member) => (length > share ? [member] : []))
  return new Set(candidates.slice(0, count))
}

/**
 * The partitions a member keeps if it may keep only some: those close before its own nodes. What it gives up is what
 * the ring would rather give to others, and not the same partitions at each change.
 */
function nearest(
  ring: HashRing,
  positions: Uint32Array,
  member: number,
  partitions: readonly number[],
  count: number,
): readonly number[] {
  if (partitions.length <= count) return partitions
  const distances = Uint32Array.from(partitions, (partition) =>
    ring.distanceTo(member, positions[partition] ?? 0),
  )
  const farthest = distances.toSorted()[count - 1] ?? -1
  // The last ones fall off where several lie equally far.
  return partitions.filter((_, i) => (distances[i] ?? 0) <= farthest).slice(0, count)
}
