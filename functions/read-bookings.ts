import type { Knex } from 'knex'
import { commandSchema, decodeFields, type Command } from '../shared/commands.ts'
import type { Booking, DecidedStatus, Reason, ReasonCode } from '../shared/outcomes.ts'
import { slotOfRequestId } from '../shared/request-id.ts'

/** A row of `decisions`, as far as a customer's view needs it. */
interface DecisionRow {
  readonly request_id: string
  readonly command: string
  readonly customer_id: string
  readonly performance_id: string
  readonly section_id: string
  readonly seat_ids: string
  readonly status: DecidedStatus | null
  readonly reason: ReasonCode | null
  readonly reason_seat_ids: string | null
  readonly sequence: number
  readonly requested_at_us: number
  readonly decided_at_ms: number
}

const columns = [
  'request_id',
  'command',
  'customer_id',
  'performance_id',
  'section_id',
  'seat_ids',
  'status',
  'reason',
  'reason_seat_ids',
  'sequence',
  'requested_at_us',
  'decided_at_ms',
] as const

/** The decided requests among `requestIds`, in the order given. */
export async function readBookings(knex: Knex, requestIds: readonly string[]): Promise<Booking[]> {
  if (requestIds.length === 0) return []
  // Pairs joined by OR and not a row constructor in IN: both servers find each pair by the primary key.
  const rows = await knex<DecisionRow & { readonly slot: number }>('decisions')
    .select(...columns)
    .where((anyOf) => {
      for (const requestId of requestIds) {
        void anyOf.orWhere({ slot: slotOfRequestId(requestId), request_id: requestId })
      }
    })
    .orderBy('sequence')
  return requestIds.flatMap((requestId) => {
    const booking = bookingOf(rows.filter((row) => row.request_id === requestId))
    return booking === undefined ? [] : [booking]
  })
}

/** @param rows the decisions of one request, oldest first */
export function bookingOf(rows: readonly DecisionRow[]): Booking | undefined {
  const book = rows.find((row) => row.command === 'book')
  const decisive = rows.findLast((row) => row.status !== null)
  if (book === undefined || decisive === undefined || decisive.status === null) return undefined
  // A refused cancel leaves the status as it was and says why.
  const spoken = rows.findLast((row) => row.status !== null || row.reason !== null) ?? decisive
  const reason = reasonOf(spoken)
  return {
    requestId: book.request_id,
    customerId: book.customer_id,
    performanceId: book.performance_id,
    sectionId: book.section_id,
    seatIds: book.seat_ids.split(','),
    status: decisive.status,
    ...(reason === undefined ? {} : { reason }),
    requestedAtUs: book.requested_at_us,
    decidedAtMs: spoken.decided_at_ms,
  }
}

function reasonOf(row: DecisionRow): Reason | undefined {
  if (row.reason === null) return undefined
  return row.reason_seat_ids === null || row.reason_seat_ids === ''
    ? { code: row.reason }
    : { code: row.reason, seatIds: row.reason_seat_ids.split(',') }
}

/** Where a page of a customer's bookings begins: behind this one. */
export interface BookingPosition {
  readonly requestedAtUs: number
  readonly requestId: string
}

interface IndexedRow {
  readonly customer_id: string
  readonly command: string
  readonly request_id: string
  readonly requested_at_us: number
}

/** Ids of a customer's decided requests, newest first. Answered from the index `decisions_customer` alone. */
export async function bookingIdsOf(
  knex: Knex,
  customerId: string,
  after: BookingPosition | undefined,
  limit: number,
): Promise<BookingPosition[]> {
  const page = knex<IndexedRow>('decisions')
    .select('requested_at_us', 'request_id')
    .where({ customer_id: customerId, command: 'book' })
    .orderBy([
      { column: 'requested_at_us', order: 'desc' },
      { column: 'request_id', order: 'desc' },
    ])
    .limit(limit)
  if (after !== undefined) {
    // The first condition alone bounds the range of the index.
    void page.where('requested_at_us', '<=', after.requestedAtUs).where((older) => {
      void older
        .where('requested_at_us', '<', after.requestedAtUs)
        .orWhere('request_id', '<', after.requestId)
    })
  }
  return (await page).map((row) => ({ requestedAtUs: row.requested_at_us, requestId: row.request_id }))
}

/**
 * The request of a dead letter, if a booking of this id could not even be rejected by a decision. It is rejected all
 * the same. What the letter says of the customer is not proof enough: the caller compares it with the record.
 */
export async function readDeadLetter(knex: Knex, requestId: string): Promise<Booking | undefined> {
  const letter = await knex<DeadLetterRow>('dead_letters')
    .select('body')
    .where({ slot: slotOfRequestId(requestId), request_id: requestId, command: 'book' })
    .first()
  const command = letter && commandOf(letter.body.toString())
  if (command?.kind !== 'book' || command.requestId !== requestId) return undefined
  const { customerId, performanceId, sectionId, seatIds, requestedAtUs } = command
  const reason = { code: 'INTERNAL' } as const
  return {
    requestId,
    customerId,
    performanceId,
    sectionId,
    seatIds,
    status: 'REJECTED',
    reason,
    requestedAtUs,
  }
}

interface DeadLetterRow {
  readonly slot: number
  readonly request_id: string
  readonly command: string
  /** JSON of the entry's fields, name and value in turn; cut off if it was long. */
  readonly body: Buffer
}

function commandOf(body: string): Command | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(body)
  } catch {
    return undefined
  }
  return Array.isArray(fields) ? commandSchema.safeParse(decodeFields(fields)).data : undefined
}
