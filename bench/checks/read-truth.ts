import type { Knex } from 'knex'
import type { DecisionRow } from '../../test/support/judge-decisions.ts'
import { readHistory, type Entry } from '../load/history.ts'

/** Everything that was decided about some performances, by plain SQL. */
export async function readDecisions(knex: Knex, performanceIds: readonly string[]): Promise<DecisionRow[]> {
  const [rows] = (await knex.raw(
    `SELECT request_id, command, customer_id, performance_id, section_id, seat_ids, status, reason, shard,
       partition_number, sequence, epoch, requested_at_us FROM decisions WHERE performance_id IN (?)`,
    [performanceIds] as never,
  )) as [DecisionRow[]]
  return rows
}

/** Seat (`performance/section/seat`) → request. */
export async function readSeats(knex: Knex, performanceIds: readonly string[]): Promise<Map<string, string>> {
  const [rows] = (await knex.raw(
    `SELECT CONCAT(performance_id, '/', section_id, '/', seat_id) AS seat, request_id FROM booked_seats
       WHERE performance_id IN (?)`,
    [performanceIds] as never,
  )) as [{ seat: string; request_id: string }[]]
  return new Map(rows.map(({ seat, request_id }) => [seat, request_id]))
}

export async function readWholeHistory(file: string): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of readHistory(file)) entries.push(entry)
  return entries
}
