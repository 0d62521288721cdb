import type { Knex } from 'knex'
import { slotOf } from '../shared/placement.ts'
import { classifyMysqlError, type MysqlFailure } from '../shared/mysql/errors.ts'
import { rowList } from '../shared/mysql/rows.ts'
import { lockPartitions, type ShardKey } from './claim-partitions.ts'
import type { Batch, DeadLetter, DecisionRecord, PerformanceVersion, SeatRow } from './decide-batch.ts'
import { deadLetterBody, deadLetterDigest } from './parse-entry.ts'

/** The statement at which a transaction failed; for a duplicate key it tells which key. */
type CommitStep =
  | 'begin'
  | 'epochs'
  | 'versions'
  | 'sequences'
  | 'decisions'
  | 'free-seats'
  | 'take-seats'
  | 'dead-letters'
  | 'commit'

/** What came of a batch's transaction. Only `committed` changed anything, for certain. */
export type CommitResult =
  | { readonly kind: 'committed'; readonly refused: ReadonlySet<number> }
  /** Every partition of the batch has a newer epoch: somebody else owns them. */
  | { readonly kind: 'refused'; readonly refused: ReadonlySet<number> }
  /** The catalogue changed since these performances were loaded. */
  | { readonly kind: 'stale'; readonly performances: readonly string[] }
  /** Memory does not agree with the database: a seat that was free is taken, or the other way round. */
  | { readonly kind: 'wrong-memory'; readonly step: CommitStep }
  /** At least one command of the batch was decided before. */
  | { readonly kind: 'repeated' }
  /** Rolled back, or (at step `commit`) unknown. */
  | {
      readonly kind: 'failed'
      readonly step: CommitStep
      readonly failure: MysqlFailure
      readonly cause: unknown
    }

interface CommitContext {
  readonly knex: Knex
  readonly shard: number
  readonly shardKey: ShardKey
  readonly nowMs: number
}

/** Rolls the transaction back with a result that is no error of the database. */
class Abort extends Error {
  readonly result: CommitResult
  constructor(result: CommitResult) {
    super(result.kind)
    this.result = result
  }
}

/**
 * Commits a batch in one transaction, for those of its partitions whose epoch is still ours.
 *
 * READ COMMITTED; locks in primary-key order: partitions, performances (shared), then the rows themselves.
 * Whoever claims a partition waits for its row, so an owner's batch either commits before the claim or not at all.
 */
export async function commitBatch(batch: Batch, context: CommitContext): Promise<CommitResult> {
  let step: CommitStep = 'begin'
  try {
    const refused = await context.knex.transaction(async (trx) => {
      const at = (next: CommitStep): Knex.Transaction => {
        step = next
        return trx
      }
      const refused = await checkEpochs(at('epochs'), batch, context)
      const kept = refused.size === 0 ? batch : withoutPartitions(batch, refused)
      await checkVersions(at('versions'), kept.versions)
      await advanceSequences(at('sequences'), kept, context.shardKey)
      await insertDecisions(at('decisions'), kept, context)
      await freeSeats(at('free-seats'), kept.freed)
      await takeSeats(at('take-seats'), kept.taken)
      await insertDeadLetters(at('dead-letters'), kept.deadLetters, context)
      step = 'commit'
      return refused
    })
    return { kind: 'committed', refused }
  } catch (error) {
    return error instanceof Abort ? error.result : failureOf(step, error)
  }
}

function failureOf(step: CommitStep, cause: unknown): CommitResult {
  const failure = classifyMysqlError(cause)
  if (failure === 'duplicate' && step === 'decisions') return { kind: 'repeated' }
  if (failure === 'duplicate' && step === 'take-seats') return { kind: 'wrong-memory', step }
  return { kind: 'failed', step, failure, cause }
}

/** Locks the partitions' rows until the end of the transaction, and answers which are no longer ours. */
async function checkEpochs(
  trx: Knex.Transaction,
  batch: Batch,
  context: CommitContext,
): Promise<Set<number>> {
  const rows = await lockPartitions(trx, context.shardKey, [...batch.stakes.keys()])
  const stored = new Map(rows.map((row) => [row.number, row]))
  const refused = new Set<number>()
  for (const [number, stake] of batch.stakes) {
    const row = stored.get(number)
    if (row?.epoch !== stake.epoch) refused.add(number)
    else if (row.sequence !== stake.before) throw new Abort({ kind: 'wrong-memory', step: 'sequences' })
  }
  if (batch.stakes.size > 0 && refused.size === batch.stakes.size)
    throw new Abort({ kind: 'refused', refused })
  return refused
}

/** Sections belong to one partition each, so a partition's share of a batch can be cut out cleanly. */
function withoutPartitions(batch: Batch, refused: ReadonlySet<number>): Batch {
  const decided = batch.decided.filter(({ record }) => !refused.has(record.partition))
  const sectionOf = (row: { performanceId: string; sectionId: string }): string =>
    `${row.performanceId}/${row.sectionId}`
  const sections = new Set(decided.map(({ record }) => sectionOf(record)))
  const performances = new Set(decided.map(({ record }) => record.performanceId))
  return {
    ...batch,
    decided,
    deadLetters: batch.deadLetters.filter(({ entry }) => !refused.has(entry.partition)),
    stakes: new Map([...batch.stakes].filter(([number]) => !refused.has(number))),
    versions: batch.versions.filter(({ performanceId }) => performances.has(performanceId)),
    freed: batch.freed.filter((row) => sections.has(sectionOf(row))),
    taken: batch.taken.filter((row) => sections.has(sectionOf(row))),
  }
}

/**
 * Compares the catalogue versions that were decided under with those in force, and holds them: a shared lock,
 * so that batches do not wait for each other, but a catalogue change waits for them.
 */
async function checkVersions(trx: Knex.Transaction, versions: readonly PerformanceVersion[]): Promise<void> {
  if (versions.length === 0) return
  const keys = versions
    .map(({ performanceId }): [number, string] => [slotOf(performanceId), performanceId])
    .sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))
  const wanted = rowList(['slot', 'performance_id'], keys)
  const [rows] = (await trx.raw(
    `SELECT p.performance_id, p.version FROM ${wanted.sql} AS w STRAIGHT_JOIN performances AS p FORCE INDEX (PRIMARY)
       ON p.slot = w.slot AND p.performance_id = w.performance_id
     LOCK IN SHARE MODE`,
    [...wanted.bindings],
  )) as [{ performance_id: string; version: number }[]]
  const inForce = new Map(rows.map((row) => [row.performance_id, row.version]))
  const stale = versions.filter(({ performanceId, version }) => (inForce.get(performanceId) ?? 0) !== version)
  if (stale.length > 0) {
    throw new Abort({ kind: 'stale', performances: stale.map(({ performanceId }) => performanceId) })
  }
}

async function advanceSequences(trx: Knex.Transaction, batch: Batch, shard: ShardKey): Promise<void> {
  if (batch.stakes.size === 0) return
  const places = rowList(
    ['number', 'sequence'],
    [...batch.stakes].sort(([a], [b]) => a - b).map(([number, { after }]) => [number, after]),
  )
  await trx.raw(
    `UPDATE ${places.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
       ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
     SET p.sequence = w.sequence`,
    [...places.bindings, shard.slot, shard.topologyVersion],
  )
}

/** Rows that one statement carries at most: keeps it under the smallest usual `max_allowed_packet`. */
const ROWS_PER_STATEMENT = 1_000

async function insertRows(
  trx: Knex.Transaction,
  head: string,
  rows: readonly (readonly unknown[])[],
  tail = '',
): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    // mysql2 expands a list of lists into rows; the query builder does the same at several times the cost.
    await trx.raw(`${head} VALUES ? ${tail}`, [rows.slice(from, from + ROWS_PER_STATEMENT)] as never)
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

async function insertDecisions(trx: Knex.Transaction, batch: Batch, context: CommitContext): Promise<void> {
  // A request id begins with its slot, so its order is the primary key's.
  const records = batch.decided
    .map(({ record }) => record)
    .sort((a, b) => compare(a.requestId, b.requestId) || compare(a.command, b.command))
  await insertRows(
    trx,
    `INSERT INTO decisions (slot, request_id, command, customer_id, performance_id, section_id, seat_ids, fingerprint,
       status, reason, reason_seat_ids, performance_version, shard, partition_number, sequence, epoch,
       requested_at_us, decided_at_ms)`,
    records.map((record) => decisionRow(record, context)),
  )
}

function decisionRow(record: DecisionRecord, context: CommitContext): unknown[] {
  return [
    record.slot,
    record.requestId,
    record.command,
    record.customerId,
    record.performanceId,
    record.sectionId,
    record.seatIds.join(','),
    record.fingerprint ?? null,
    record.status ?? null,
    record.reason?.code ?? null,
    record.reason?.seatIds?.join(',') ?? null,
    record.performanceVersion,
    context.shard,
    record.partition,
    record.sequence,
    record.epoch,
    record.requestedAtUs,
    context.nowMs,
  ]
}

/** The order of the primary key. */
const bySeat = (a: SeatRow, b: SeatRow): number =>
  a.slot - b.slot ||
  compare(a.performanceId, b.performanceId) ||
  compare(a.sectionId, b.sectionId) ||
  compare(a.seatId, b.seatId)

async function freeSeats(trx: Knex.Transaction, freed: readonly SeatRow[]): Promise<void> {
  const sorted = [...freed].sort(bySeat)
  let deleted = 0
  for (let from = 0; from < sorted.length; from += ROWS_PER_STATEMENT) {
    deleted += await deleteSeats(trx, sorted.slice(from, from + ROWS_PER_STATEMENT))
  }
  if (deleted !== freed.length) throw new Abort({ kind: 'wrong-memory', step: 'free-seats' })
}

/** A DELETE counts what it deleted, unlike INSERT and UPDATE, whose counts depend on client flags. */
async function deleteSeats(trx: Knex.Transaction, seats: readonly SeatRow[]): Promise<number> {
  const rows = rowList(
    ['slot', 'performance_id', 'section_id', 'seat_id', 'request_id'],
    seats.map((row) => [row.slot, row.performanceId, row.sectionId, row.seatId, row.requestId]),
  )
  const [result] = (await trx.raw(
    `DELETE b FROM ${rows.sql} AS w STRAIGHT_JOIN booked_seats AS b FORCE INDEX (PRIMARY)
       ON b.slot = w.slot AND b.performance_id = w.performance_id AND b.section_id = w.section_id
         AND b.seat_id = w.seat_id AND b.request_id = w.request_id`,
    [...rows.bindings],
  )) as [{ affectedRows: number }]
  return result.affectedRows
}

async function takeSeats(trx: Knex.Transaction, taken: readonly SeatRow[]): Promise<void> {
  await insertRows(
    trx,
    'INSERT INTO booked_seats (slot, performance_id, section_id, seat_id, request_id)',
    [...taken]
      .sort(bySeat)
      .map((row) => [row.slot, row.performanceId, row.sectionId, row.seatId, row.requestId]),
  )
}

async function insertDeadLetters(
  trx: Knex.Transaction,
  letters: readonly DeadLetter[],
  context: CommitContext,
): Promise<void> {
  await insertRows(
    trx,
    `INSERT INTO dead_letters (slot, digest, shard, partition_number, entry_id, request_id, command, reason, body,
       created_at_ms)`,
    letters.map((letter) => [
      letter.slot,
      deadLetterDigest(context.shard, letter.entry),
      context.shard,
      letter.entry.partition,
      letter.entry.id,
      letter.requestId ?? null,
      letter.command ?? null,
      letter.reason.slice(0, 200),
      deadLetterBody(letter.entry),
      context.nowMs,
    ]),
    'ON DUPLICATE KEY UPDATE created_at_ms = created_at_ms',
  )
}
