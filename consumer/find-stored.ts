import type { Knex } from 'knex'
import { commandId } from '../shared/commands.ts'
import { rowList } from '../shared/mysql/rows.ts'
import type { DecidedStatus, ReasonCode } from '../shared/outcomes.ts'
import { slotOfRequestId } from '../shared/request-id.ts'
import type { StoredDecision } from './decide-batch.ts'

interface StoredRow {
  readonly request_id: string
  readonly command: string
  readonly customer_id: string
  readonly performance_id: string
  readonly section_id: string
  readonly seat_ids: string
  readonly fingerprint: string | null
  readonly status: DecidedStatus | null
  readonly reason: ReasonCode | null
  readonly reason_seat_ids: string | null
  readonly sequence: number
  readonly requested_at_us: number
  readonly decided_at_ms: number
}

/**
 * Which of these commands were decided before, and what is true of their requests now. The slow path: it runs
 * only where something suggests a repeat (a claim, a duplicate key, a settling that failed).
 *
 * @returns by command id
 */
export async function findStored(
  knex: Knex,
  commands: readonly { readonly kind: string; readonly requestId: string }[],
): Promise<Map<string, StoredDecision>> {
  const requestIds = [...new Set(commands.map(({ requestId }) => requestId))]
  const byRequest = new Map<string, StoredRow[]>()
  for (let from = 0; from < requestIds.length; from += 200) {
    for (const row of await readRows(knex, requestIds.slice(from, from + 200))) {
      const rows = byRequest.get(row.request_id)
      if (rows) rows.push(row)
      else byRequest.set(row.request_id, [row])
    }
  }
  const stored = new Map<string, StoredDecision>()
  for (const command of commands) {
    const rows = byRequest.get(command.requestId) ?? []
    const own = rows.find((row) => row.command === command.kind)
    if (own !== undefined) stored.set(commandId(command), storedDecision(own, rows))
  }
  return stored
}

async function readRows(knex: Knex, requestIds: readonly string[]): Promise<StoredRow[]> {
  const wanted = rowList(
    ['slot', 'request_id'],
    requestIds.map((requestId) => [slotOfRequestId(requestId), requestId]),
  )
  const [rows] = (await knex.raw(
    `SELECT d.* FROM ${wanted.sql} AS w STRAIGHT_JOIN decisions AS d FORCE INDEX (PRIMARY)
       ON d.slot = w.slot AND d.request_id = w.request_id`,
    [...wanted.bindings],
  )) as [StoredRow[]]
  return rows
}

/** A request's status is that of its newest decision that gave one. */
function storedDecision(own: StoredRow, rows: readonly StoredRow[]): StoredDecision {
  const newestFirst = [...rows].sort((a, b) => b.sequence - a.sequence)
  const telling = newestFirst.find((row) => row.status !== null)
  const booked = rows.find((row) => row.command === 'book') ?? own
  return {
    status: telling?.status ?? undefined,
    reason: telling?.reason
      ? {
          code: telling.reason,
          ...(telling.reason_seat_ids === null ? {} : { seatIds: telling.reason_seat_ids.split(',') }),
        }
      : undefined,
    customerId: booked.customer_id,
    performanceId: booked.performance_id,
    sectionId: booked.section_id,
    seatIds: booked.seat_ids === '' ? [] : booked.seat_ids.split(','),
    fingerprint: booked.fingerprint ?? undefined,
    sequence: newestFirst[0]?.sequence ?? own.sequence,
    requestedAtUs: booked.requested_at_us,
    decidedAtMs: telling?.decided_at_ms ?? own.decided_at_ms,
  }
}
