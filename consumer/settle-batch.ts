import type { Redis } from 'ioredis'
import { commandId, encodeCommand, type Command } from '../shared/commands.ts'
import type { Log } from '../shared/log.ts'
import type { Booking } from '../shared/outcomes.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import type { RedisKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import type { Batch, DecisionRecord, StoredDecision } from './decide-batch.ts'
import { rawIdentity, type Entry } from './parse-entry.ts'
import { FREE } from './seat-holders.ts'
import { publishSeatChanges } from './publish-seat-changes.ts'
import { reportTraces } from './report-traces.ts'

export interface SettleContext {
  readonly redis: Redis
  readonly scripts: Scripts
  readonly keys: RedisKeys
  readonly topology: Topology
  readonly shard: number
  readonly outcomeTtlMs: number
  readonly recordTtlMs: number
  /** 0: none are marked. */
  readonly takenSeatsTtlMs: number
  readonly nowMs: number
  readonly log: Log
}

/** What settling an entry comes to. */
interface Settling {
  readonly entry: Entry
  /** Recognises the entry: its command's id, or `sha1:` and a hash of a malformed one. */
  readonly name: string
  /** What a reader sees of the request from now on; undefined: as before. */
  readonly shown: Shown | undefined
  /** Id of a command that has a record of its own, which says that it is decided: all have but books. */
  readonly decidedId: string | undefined
  /**
   * Seats (`performance/section/seat`) that it asked for in vain, each with the request that holds it, or that it gave
   * back, each with nobody (`''`).
   */
  readonly marks?: readonly (readonly [seat: string, holder: string])[] | undefined
}

interface Shown {
  readonly requestId: string
  readonly place: number
  readonly status: string
  /** Only a book knows all that a reader wants to see; '': readers go to MySQL. */
  readonly json: string
  /** Makes the request known again where Redis has forgotten it; '': does not. Never without the JSON. */
  readonly fingerprint: string
}

/** Entries that one script settles at most: bounds how long Redis serves nobody else (about 10 µs an entry). */
const ENTRIES_PER_SCRIPT = 250

/**
 * After commit: shows outcomes, tells those who wait, puts strays on their right stream, and takes entries away. May run
 * twice, late, or not at all: entries that stay are read again and found decided.
 *
 * @returns how many entries were taken away
 * @throws if Redis does not answer; what was not settled then is settled when it is read again
 */
export async function settleBatch(
  batch: Batch,
  refused: ReadonlySet<number>,
  context: SettleContext,
): Promise<number> {
  reportTraces(batch, refused, context.nowMs, context.log)
  const published = publishSeatChanges(batch, refused, context)
  const identities = new Map<Entry, string>()
  for (const { entry } of batch.malformed) identities.set(entry, await identify(entry, context))
  const { settlings, strays } = settlingsOf(batch, refused, identities, context.nowMs)
  const removed = await settleAll(settlings, context, batch.marksIn)
  await published
  if (strays.length === 0) return removed
  // Last, because a Redis that is full takes no new entries, but lets go of those that are decided.
  await rerouteStrays(batch, context)
  // They only go away: nothing of theirs is shown.
  return removed + (await settleAll(strays, context))
}

async function settleAll(
  settlings: readonly Settling[],
  context: SettleContext,
  marksIn?: string,
): Promise<number> {
  let removed = 0
  for (let from = 0; from < settlings.length; from += ENTRIES_PER_SCRIPT) {
    removed += await settle(settlings.slice(from, from + ENTRIES_PER_SCRIPT), context, marksIn)
  }
  return removed
}

/** Stands in a decoded field where its bytes were no UTF-8. */
const UNDECODABLE = '\ufffd'

/**
 * How the script recognises a malformed entry. Of one with undecodable bytes the original is read once more, or it
 * could never be taken away.
 */
async function identify(entry: Entry, context: SettleContext): Promise<string> {
  if (!entry.fields.some((field) => field.includes(UNDECODABLE))) return nameOfRaw(entry.fields)
  const stream = context.keys.stream({ shard: context.shard, number: entry.partition })
  const [found] = await context.redis.xrangeBuffer(stream, entry.id, entry.id)
  const raw = found?.[1] ?? []
  const same =
    raw.length === entry.fields.length && raw.every((field, i) => field.toString() === entry.fields[i])
  return nameOfRaw(same ? raw : entry.fields)
}

function nameOfRaw(fields: readonly (string | Buffer)[]): string {
  return `sha1:${rawIdentity(fields)}`
}

/** In the order of the batch's parts: of one request, what was decided later comes later. */
function settlingsOf(
  batch: Batch,
  refused: ReadonlySet<number>,
  malformed: ReadonlyMap<Entry, string>,
  nowMs: number,
): { settlings: Settling[]; strays: Settling[] } {
  const settlings: Settling[] = []
  const strays: Settling[] = []
  const shown = new Set<Entry>()
  for (const { entry, record, holders } of batch.decided) {
    if (refused.has(entry.partition)) continue
    const id = commandId({ kind: record.command, requestId: record.requestId })
    let name = id
    if (malformed.size > 0) {
      shown.add(entry)
      name = malformed.get(entry) ?? id
    }
    settlings.push({
      ...{ entry, name, shown: showRecord(record, nowMs), decidedId: ownIdOf(record.command, id) },
      marks: batch.marksIn === undefined ? undefined : marksOf(record, holders),
    })
  }
  const add = (
    to: Settling[],
    entry: Entry,
    command: Command,
    shown: Shown | undefined,
    isDecided: boolean,
  ): void => {
    if (refused.has(entry.partition)) return
    const id = commandId(command)
    to.push({ entry, name: id, shown, decidedId: isDecided ? ownIdOf(command.kind, id) : undefined })
  }
  for (const { entry, command, stored } of batch.repeats) {
    add(settlings, entry, command, showStored(command, stored), true)
  }
  for (const { entry, command } of batch.buried) {
    add(settlings, entry, command, showBuried(command, nowMs), true)
  }
  for (const { entry, command } of batch.echoes) add(settlings, entry, command, undefined, false)
  for (const { entry, command } of batch.strays) add(strays, entry, command, undefined, false)
  for (const [entry, name] of malformed) {
    if (shown.has(entry) || refused.has(entry.partition)) continue
    settlings.push({ entry, name, shown: undefined, decidedId: undefined })
  }
  return { settlings, strays }
}

/** What a decision changes of the marks of taken seats. */
function marksOf(
  { performanceId, sectionId, seatIds, status, reason }: DecisionRecord,
  holders: readonly string[] | undefined,
): (readonly [seat: string, holder: string])[] | undefined {
  const nameOf = (seatId: string): string => `${performanceId}/${sectionId}/${seatId}`
  if (status === 'CANCELLED') return seatIds.map((seatId) => [nameOf(seatId), FREE])
  return holders && (reason?.seatIds ?? []).map((seatId, i) => [nameOf(seatId), holders[i] ?? FREE])
}

function ownIdOf(kind: string, id: string): string | undefined {
  return kind === 'book' ? undefined : id
}

function showRecord(record: DecisionRecord, decidedAtMs: number): Shown | undefined {
  const { requestId, sequence, status, fingerprint } = record
  if (status === undefined) return undefined
  if (record.command !== 'book') return { requestId, place: sequence, status, json: '', fingerprint: '' }
  const json = outcomeJson(requestId, record, status, decidedAtMs)
  return { requestId, place: sequence, status, json, fingerprint: fingerprint ?? '' }
}

function showStored({ requestId }: Command, stored: StoredDecision): Shown | undefined {
  const { sequence, status, fingerprint } = stored
  if (status === undefined) return undefined
  const json = outcomeJson(requestId, stored, status, stored.decidedAtMs)
  return { requestId, place: sequence, status, json, fingerprint: fingerprint ?? '' }
}

function showBuried(command: Command, decidedAtMs: number): Shown | undefined {
  if (command.kind !== 'book') return undefined
  const { requestId, fingerprint } = command
  const reason = { code: 'INTERNAL' as const }
  const json = outcomeJson(requestId, { ...command, reason }, 'REJECTED', decidedAtMs)
  // Older than any decision: should there be one after all, it is shown instead.
  return { requestId, place: 0, status: 'REJECTED', json, fingerprint }
}

type Shareable = Pick<Booking, 'customerId' | 'performanceId' | 'sectionId' | 'requestedAtUs'> & {
  readonly reason?: Booking['reason'] | undefined
  readonly seatIds: readonly string[]
}

function outcomeJson(
  requestId: string,
  { customerId, performanceId, sectionId, seatIds, reason, requestedAtUs }: Shareable,
  status: Booking['status'],
  decidedAtMs: number,
): string {
  return JSON.stringify({
    requestId,
    customerId,
    performanceId,
    sectionId,
    seatIds,
    status,
    reason,
    requestedAtUs,
    decidedAtMs,
  })
}

/**
 * A stray is added to its right stream before it is taken off this one: a crash in between leaves it twice,
 * which the consumer there sees; the other order would lose it.
 */
async function rerouteStrays(batch: Batch, context: SettleContext): Promise<void> {
  for (const { command } of batch.strays) {
    const home = partitionOf(context.topology, command.performanceId, command.sectionId)
    // Its own record says that it is asked for, also where the section's shard is another one than it was.
    if (command.kind !== 'book')
      await context.redis.hsetnx(context.keys.record(commandId(command)), 'status', 'PENDING')
    const fields = encodeCommand({ ...command, topologyVersion: context.topology.version })
    await context.redis.xadd(context.keys.stream(home), '*', ...fields)
  }
}

function settle(settlings: readonly Settling[], context: SettleContext, marksIn = ''): Promise<number> {
  const { keys, shard } = context
  const streams = new Map<number, string[]>()
  const requestKeys: string[] = []
  const args: (string | number)[] = []
  const decided: string[] = []
  // Of those who asked for a seat in vain, or gave it back, the last one counts.
  const marks = new Map<string, readonly [name: string, holder: string]>()
  for (const { entry, name, shown, decidedId, marks: changed = [] } of settlings) {
    let leaving = streams.get(entry.partition)
    if (leaving === undefined) streams.set(entry.partition, (leaving = []))
    leaving.push(entry.id, name)
    if (decidedId !== undefined) decided.push(keys.record(decidedId))
    for (const [seat, holder] of changed) marks.set(seat, [name, holder])
    if (shown === undefined) continue
    requestKeys.push(keys.record(shown.requestId), keys.outcome(shown.requestId))
    args.push(shown.place, shown.json, shown.status, shown.fingerprint)
  }
  const streamKeys: string[] = []
  for (const [number, leaving] of streams) {
    streamKeys.push(keys.stream({ shard, number }))
    args.push(leaving.length / 2, ...leaving)
  }
  for (const [seat, [name, holder]] of marks) args.push(name, seat, holder)
  const marked = marks.size === 0 ? [] : [keys.takenSeats(shard)]
  const { outcomeTtlMs, recordTtlMs, takenSeatsTtlMs } = context
  return context.scripts.settle(
    [...streamKeys, ...requestKeys, ...decided, ...marked],
    [
      ...[streams.size, requestKeys.length / 2, outcomeTtlMs, recordTtlMs, keys.replies(shard, '')],
      ...[marks.size, takenSeatsTtlMs, marksIn],
      ...args,
    ],
  )
}
