import { slotOf } from '../shared/placement.ts'
import { rowList } from '../shared/mysql/rows.ts'
import type { ShardKey } from './claim-partitions.ts'
import type { Batch, DeadLetter, DecisionRecord, PerformanceVersion, SeatRow } from './decide-batch.ts'
import { deadLetterBody, deadLetterDigest } from './parse-entry.ts'

/** A statement of a batch's transaction. Lists of rows are for mysql2, which writes them out. */
export interface Statement {
  readonly sql: string
  readonly bindings: readonly unknown[]
}

/** What every row of a batch says besides the decision itself. */
export interface Writing {
  readonly shard: number
  readonly shardKey: ShardKey
  readonly nowMs: number
}

type Stakes = Batch['stakes']

const inOrder = (stakes: Stakes): [number, { epoch: number; before: number; after: number }][] =>
  [...stakes].sort(([a], [b]) => a - b)

/** Moves the partitions on to their new places: those that are locked and were compared before. */
export function advanceSequences(stakes: Stakes, shard: ShardKey): Statement {
  const places = rowList(
    ['number', 'sequence'],
    inOrder(stakes).map(([number, { after }]) => [number, after]),
  )
  return {
    sql: `UPDATE ${places.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
       ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
     SET p.sequence = w.sequence`,
    bindings: [...places.bindings, shard.slot, shard.topologyVersion],
  }
}

/**
 * Locks, compares and moves on in one: only those that have still our epoch, and stand where we left them. How many there
 * were is what the statement counts, because this driver reports rows found, not rows changed.
 */
export function advanceIfOurs(stakes: Stakes, shard: ShardKey): Statement {
  const places = rowList(
    ['number', 'epoch', 'before_it', 'after_it'],
    inOrder(stakes).map(([number, { epoch, before, after }]) => [number, epoch, before, after]),
  )
  return {
    sql: `UPDATE ${places.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
       ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
     SET p.sequence = w.after_it WHERE p.epoch = w.epoch AND p.sequence = w.before_it`,
    bindings: [...places.bindings, shard.slot, shard.topologyVersion],
  }
}

/**
 * Reads the versions in force of these performances and holds them: a shared lock, so that batches do not wait for each
 * other, but a catalogue change waits for them.
 */
export function holdVersions(versions: readonly PerformanceVersion[]): Statement {
  const keys = versions
    .map(({ performanceId }): [number, string] => [slotOf(performanceId), performanceId])
    .sort((a, b) => a[0] - b[0] || compare(a[1], b[1]))
  const wanted = rowList(['slot', 'performance_id'], keys)
  return {
    sql: `SELECT p.performance_id, p.version FROM ${wanted.sql} AS w STRAIGHT_JOIN performances AS p FORCE INDEX (PRIMARY)
       ON p.slot = w.slot AND p.performance_id = w.performance_id
     LOCK IN SHARE MODE`,
    bindings: wanted.bindings,
  }
}

export interface VersionRow {
  readonly performance_id: string
  readonly version: number
}

/** Performances that were decided under another version than is in force. */
export function staleOf(versions: readonly PerformanceVersion[], rows: readonly VersionRow[]): string[] {
  const inForce = new Map(rows.map((row) => [row.performance_id, row.version]))
  return versions
    .filter(({ performanceId, version }) => (inForce.get(performanceId) ?? 0) !== version)
    .map(({ performanceId }) => performanceId)
}

/** Rows that one statement carries at most: keeps it under the smallest usual `max_allowed_packet`. */
export const ROWS_PER_STATEMENT = 1_000

function insertRows(head: string, rows: readonly (readonly unknown[])[], tail = ''): Statement[] {
  const statements: Statement[] = []
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    // mysql2 expands a list of lists into rows; the query builder does the same at several times the cost.
    statements.push({
      sql: `${head} VALUES ? ${tail}`,
      bindings: [rows.slice(from, from + ROWS_PER_STATEMENT)],
    })
  }
  return statements
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function insertDecisions(decided: Batch['decided'], writing: Writing): Statement[] {
  // A request id begins with its slot, so its order is the primary key's.
  const records = decided
    .map(({ record }) => record)
    .sort((a, b) => compare(a.requestId, b.requestId) || compare(a.command, b.command))
  return insertRows(
    `INSERT INTO decisions (slot, request_id, command, customer_id, performance_id, section_id, seat_ids, fingerprint,
       status, reason, reason_seat_ids, performance_version, shard, partition_number, sequence, epoch,
       requested_at_us, decided_at_ms)`,
    records.map((record) => decisionRow(record, writing)),
  )
}

function decisionRow(record: DecisionRecord, { shard, nowMs }: Writing): unknown[] {
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
    shard,
    record.partition,
    record.sequence,
    record.epoch,
    record.requestedAtUs,
    nowMs,
  ]
}

/** The order of the primary key. */
const bySeat = (a: SeatRow, b: SeatRow): number =>
  a.slot - b.slot ||
  compare(a.performanceId, b.performanceId) ||
  compare(a.sectionId, b.sectionId) ||
  compare(a.seatId, b.seatId)

/** A DELETE counts what it deleted, unlike INSERT and UPDATE, whose counts depend on client flags. */
export function deleteSeats(freed: readonly SeatRow[]): Statement[] {
  const sorted = [...freed].sort(bySeat)
  const statements: Statement[] = []
  for (let from = 0; from < sorted.length; from += ROWS_PER_STATEMENT) {
    const rows = rowList(
      ['slot', 'performance_id', 'section_id', 'seat_id', 'request_id'],
      sorted
        .slice(from, from + ROWS_PER_STATEMENT)
        .map((row) => [row.slot, row.performanceId, row.sectionId, row.seatId, row.requestId]),
    )
    statements.push({
      sql: `DELETE b FROM ${rows.sql} AS w STRAIGHT_JOIN booked_seats AS b FORCE INDEX (PRIMARY)
       ON b.slot = w.slot AND b.performance_id = w.performance_id AND b.section_id = w.section_id
         AND b.seat_id = w.seat_id AND b.request_id = w.request_id`,
      bindings: rows.bindings,
    })
  }
  return statements
}

export function insertSeats(taken: readonly SeatRow[]): Statement[] {
  return insertRows(
    'INSERT INTO booked_seats (slot, performance_id, section_id, seat_id, request_id)',
    [...taken]
      .sort(bySeat)
      .map((row) => [row.slot, row.performanceId, row.sectionId, row.seatId, row.requestId]),
  )
}

export function insertDeadLetters(letters: readonly DeadLetter[], { shard, nowMs }: Writing): Statement[] {
  return insertRows(
    `INSERT INTO dead_letters (slot, digest, shard, partition_number, entry_id, request_id, command, reason, body,
       created_at_ms)`,
    letters.map((letter) => [
      letter.slot,
      deadLetterDigest(shard, letter.entry),
      shard,
      letter.entry.partition,
      letter.entry.id,
      letter.requestId ?? null,
      letter.command ?? null,
      letter.reason.slice(0, 200),
      deadLetterBody(letter.entry),
      nowMs,
    ]),
    'ON DUPLICATE KEY UPDATE created_at_ms = created_at_ms',
  )
}
