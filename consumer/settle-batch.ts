import type { Redis } from 'ioredis'
import { commandId, encodeCommand, type Command } from '../shared/commands.ts'
import type { Log } from '../shared/log.ts'
import type { Booking } from '../shared/outcomes.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import type { RedisKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import type { Batch, DecisionRecord, StoredDecision } from './decide-batch.ts'
import { rawIdentity, type Entry } from './parse-entry.ts'
import { publishSeatChanges } from './publish-seat-changes.ts'
import { Replies } from './reply-to-waiters.ts'
import { reportTraces } from './report-traces.ts'

export interface SettleContext {
  readonly redis: Redis
  readonly scripts: Scripts
  readonly keys: RedisKeys
  readonly topology: Topology
  readonly shard: number
  readonly outcomeTtlMs: number
  readonly recordTtlMs: number
  readonly nowMs: number
  readonly log: Log
}

/** What settling an entry shows: of which command, with which place; `undefined` place: the entry only goes away. */
interface Showing {
  readonly entry: Entry
  /** Recognises the entry: kind and request id, or '' and a hash of a malformed one. */
  readonly identity: readonly [kind: string, name: string]
  readonly command: { readonly kind: string; readonly requestId: string } | undefined
  readonly shown: Shown
}

interface Shown {
  readonly place: number | undefined
  readonly json: string
  readonly status: string
  readonly fingerprint: string
  readonly customerId: string
  readonly sectionId: string
}

/** Entries that one script settles at most: bounds how long Redis serves nobody else (about 10 µs an entry). */
const ENTRIES_PER_SCRIPT = 250

/**
 * After commit: shows outcomes, puts strays on their right stream, and takes entries away. May run twice, late, or
 * not at all: entries that stay are read again and found decided.
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
  const showings = showingsOf(batch, identities, context.nowMs).filter(
    ({ entry }) => !refused.has(entry.partition),
  )
  const strays = new Set(batch.strays.map(({ entry }) => entry))
  const replies = new Replies()
  const removed = await settleAll(
    showings.filter(({ entry }) => !strays.has(entry)),
    replies,
    context,
  )
  await replies.send(context.redis, context.shard, context.keys, context.log)
  await published
  if (strays.size === 0) return removed
  // Last, because a Redis that is full takes no new entries, but lets go of those that are decided.
  await rerouteStrays(batch, context)
  const rerouted = await settleAll(
    showings.filter(({ entry }) => strays.has(entry)),
    // They only go away: nothing of theirs is shown.
    replies,
    context,
  )
  return removed + rerouted
}

async function settleAll(
  showings: readonly Showing[],
  replies: Replies,
  context: SettleContext,
): Promise<number> {
  let removed = 0
  for (let from = 0; from < showings.length; from += ENTRIES_PER_SCRIPT) {
    removed += await settle(showings.slice(from, from + ENTRIES_PER_SCRIPT), replies, context)
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
  if (!entry.fields.some((field) => field.includes(UNDECODABLE))) return rawIdentity(entry.fields)
  const stream = context.keys.stream({ shard: context.shard, number: entry.partition })
  const [found] = await context.redis.xrangeBuffer(stream, entry.id, entry.id)
  const raw = found?.[1] ?? []
  const same =
    raw.length === entry.fields.length && raw.every((field, i) => field.toString() === entry.fields[i])
  return same ? rawIdentity(raw) : rawIdentity(entry.fields)
}

function showingsOf(batch: Batch, malformed: ReadonlyMap<Entry, string>, nowMs: number): Showing[] {
  const shown = new Set<Entry>()
  const identityOf = (entry: Entry, command: { kind: string; requestId: string }): Showing['identity'] => {
    const raw = malformed.get(entry)
    return raw === undefined ? [command.kind, command.requestId] : ['', raw]
  }
  const showings: Showing[] = []
  for (const { entry, record } of batch.decided) {
    shown.add(entry)
    const command = { kind: record.command, requestId: record.requestId }
    showings.push({ entry, identity: identityOf(entry, command), command, shown: showRecord(record, nowMs) })
  }
  for (const { entry, command, stored } of batch.repeats) {
    showings.push({
      entry,
      identity: identityOf(entry, command),
      command,
      shown: showStored(command, stored),
    })
  }
  for (const { entry, command } of batch.buried) {
    showings.push({ entry, identity: identityOf(entry, command), command, shown: showBuried(command, nowMs) })
  }
  for (const { entry, command } of [...batch.echoes, ...batch.strays]) {
    showings.push({ entry, identity: identityOf(entry, command), command: undefined, shown: nothing })
  }
  for (const [entry, raw] of malformed) {
    if (!shown.has(entry)) showings.push({ entry, identity: ['', raw], command: undefined, shown: nothing })
  }
  return showings
}

const nothing: Shown = {
  place: undefined,
  json: '',
  status: '',
  fingerprint: '',
  customerId: '',
  sectionId: '',
}

function showRecord(record: DecisionRecord, decidedAtMs: number): Shown {
  // Only a book knows all that a reader wants to see; after anything else readers go to MySQL.
  const json =
    record.command === 'book' && record.status !== undefined
      ? outcomeJson(record.requestId, record, record.status, decidedAtMs)
      : ''
  return {
    place: record.sequence,
    json,
    status: record.status ?? '',
    fingerprint: record.fingerprint ?? '',
    customerId: record.customerId,
    sectionId: record.sectionId,
  }
}

function showStored(command: Command, stored: StoredDecision): Shown {
  return {
    place: stored.sequence,
    json:
      stored.status === undefined
        ? ''
        : outcomeJson(command.requestId, stored, stored.status, stored.decidedAtMs),
    status: stored.status ?? '',
    fingerprint: stored.fingerprint ?? '',
    customerId: stored.customerId,
    sectionId: stored.sectionId,
  }
}

function showBuried(command: Command, decidedAtMs: number): Shown {
  if (command.kind !== 'book') return { ...nothing, place: 0 }
  const reason = { code: 'INTERNAL' as const }
  return {
    // Older than any decision: should there be one after all, it is shown instead.
    place: 0,
    json: outcomeJson(command.requestId, { ...command, reason }, 'REJECTED', decidedAtMs),
    status: 'REJECTED',
    fingerprint: command.fingerprint,
    customerId: command.customerId,
    sectionId: command.sectionId,
  }
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
    const fields = encodeCommand({ ...command, topologyVersion: context.topology.version })
    await context.redis.xadd(context.keys.stream(home), '*', ...fields)
  }
}

async function settle(
  showings: readonly Showing[],
  replies: Replies,
  context: SettleContext,
): Promise<number> {
  const { keys, shard } = context
  const scriptKeys: string[] = []
  const args: (string | number)[] = [showings.length]
  for (const { entry, identity, command, shown } of showings) {
    const stream = keys.stream({ shard, number: entry.partition })
    // The script wants a key in every place; an entry that only goes away names its stream.
    const request = command?.requestId
    scriptKeys.push(
      stream,
      command === undefined ? stream : keys.record(commandId(command)),
      request === undefined ? stream : keys.outcome(request),
      request === undefined ? stream : keys.record(request),
    )
    args.push(entry.id, identity[1], identity[0], shown.place ?? '', shown.json, shown.status)
    args.push(shown.fingerprint, shown.customerId, shown.sectionId)
  }
  args.push(context.outcomeTtlMs, context.recordTtlMs)
  const [removed, ...awaited] = await context.scripts.settle(scriptKeys, args)
  for (let i = 0; i + 1 < awaited.length; i += 2) {
    const json = showings[Number(awaited[i])]?.shown.json
    if (json !== undefined && json !== '') replies.add(String(awaited[i + 1]), json)
  }
  return removed
}
