import type { RowDataPacket } from 'mysql2/promise'
import type { Wish } from './wish.ts'
import type { Holder } from './database.ts'

/** SQL and its values. Joined with `;` to go in one round trip. */
export interface Statement {
  readonly sql: string
  readonly values: readonly unknown[]
}

export function joined(...statements: readonly Statement[]): Statement {
  return {
    sql: statements.map(({ sql }) => sql).join(';'),
    values: statements.flatMap(({ values }) => values),
  }
}

export const begin: Statement = { sql: 'BEGIN', values: [] }
export const commit: Statement = { sql: 'COMMIT', values: [] }
export const rollback: Statement = { sql: 'ROLLBACK', values: [] }

const seatsOf = (wish: Wish): readonly unknown[] => [
  wish.slot,
  wish.performanceId,
  wish.sectionId,
  wish.seatIds,
]

/** Which of the seats are taken. One look-up in the primary key a seat. */
export function selectHolders(wish: Wish): Statement {
  return {
    sql: `SELECT seat_id AS seatId, request_id AS requestId FROM booked_seats FORCE INDEX (PRIMARY)
      WHERE slot = ? AND performance_id = ? AND section_id = ? AND seat_id IN (?)`,
    values: seatsOf(wish),
  }
}

/** Holds the seats' rows of the catalogue, in primary-key order, whether or not the seats are taken. */
export function lockSeats(wish: Wish): Statement {
  return {
    sql: `SELECT seat_id FROM seats FORCE INDEX (PRIMARY)
      WHERE slot = ? AND performance_id = ? AND section_id = ? AND seat_id IN (?)
      ORDER BY seat_id, from_version FOR UPDATE`,
    values: seatsOf(wish),
  }
}

export function selectDecision(slot: number, requestId: string): Statement {
  return {
    sql: `SELECT customer_id AS customerId, fingerprint, status, reason_seat_ids AS reasonSeatIds FROM decisions
      WHERE slot = ? AND request_id = ? AND command = 'book'`,
    values: [slot, requestId],
  }
}

/** What `selectDecision` answers. */
export interface StoredDecision {
  readonly customerId: string
  readonly fingerprint: string
  readonly status: string
  readonly reasonSeatIds: string | null
}

export function takeSeats(wish: Wish): Statement {
  return {
    sql: 'INSERT INTO booked_seats (slot, performance_id, section_id, seat_id, request_id) VALUES ?',
    values: [
      wish.seatIds.map((seatId) => [wish.slot, wish.performanceId, wish.sectionId, seatId, wish.requestId]),
    ],
  }
}

/** @param taken the seats that a refusal names; none for a confirmation */
export function insertDecision(wish: Wish, taken: readonly string[]): Statement {
  const confirmed = taken.length === 0
  return {
    sql: `INSERT INTO decisions (slot, request_id, command, customer_id, performance_id, section_id, seat_ids,
      fingerprint, status, reason, reason_seat_ids, performance_version, shard, partition_number, sequence, epoch,
      requested_at_us, decided_at_ms) VALUES (?)`,
    values: [
      [
        wish.slot,
        wish.requestId,
        'book',
        wish.customerId,
        wish.performanceId,
        wish.sectionId,
        wish.seatIds.join(','),
        wish.fingerprint,
        confirmed ? 'CONFIRMED' : 'REJECTED',
        confirmed ? null : 'SEAT_TAKEN',
        confirmed ? null : taken.join(','),
        wish.performanceVersion,
        0,
        0,
        nextSequence(),
        0,
        wish.requestedAtUs,
        Date.now(),
      ],
    ],
  }
}

export const holdersIn = (rows: readonly RowDataPacket[] | undefined): readonly Holder[] =>
  (rows ?? []) as (RowDataPacket & Holder)[]

export const decisionIn = (rows: readonly RowDataPacket[] | undefined): StoredDecision | undefined =>
  rows?.[0] as (RowDataPacket & StoredDecision) | undefined

let lastSequence = 0

/**
 * A place in the section's order, where a peer counts none: microseconds since 1970, never the same twice here. Two
 * processes may hit upon the same one; the unique key refuses the second, who tries again.
 */
function nextSequence(): number {
  lastSequence = Math.max(lastSequence + 1, nowUs())
  return lastSequence
}

/** Microseconds since 1970 UTC. */
export function nowUs(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000)
}
