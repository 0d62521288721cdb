import { describe, expect, it } from 'vitest'
import { bookingOf } from './read-bookings.ts'

type Row = Parameters<typeof bookingOf>[0][number]

const book: Row = {
  request_id: '01ff000102030405060708090a0b0c0d0e0f',
  command: 'book',
  customer_id: 'alice',
  performance_id: 'hamlet',
  section_id: 'A',
  seat_ids: '1-1,1-2',
  status: 'CONFIRMED',
  reason: null,
  reason_seat_ids: null,
  sequence: 7,
  requested_at_us: 1_795_000_000_123_456,
  decided_at_ms: 1_795_000_000_200,
}
const cancel: Row = {
  ...book,
  command: 'cancel',
  seat_ids: '',
  status: null,
  sequence: 9,
  decided_at_ms: 1_795_000_000_900,
}

describe('bookingOf', () => {
  it('is the booking itself while nothing came after it', () => {
    expect(bookingOf([book])).toEqual({
      requestId: book.request_id,
      customerId: 'alice',
      performanceId: 'hamlet',
      sectionId: 'A',
      seatIds: ['1-1', '1-2'],
      status: 'CONFIRMED',
      requestedAtUs: book.requested_at_us,
      decidedAtMs: book.decided_at_ms,
    })
  })

  it('takes the newest status, and forgets an older reason', () => {
    const cancelled = bookingOf([book, { ...cancel, status: 'CANCELLED', seat_ids: '1-1,1-2' }])
    expect(cancelled).toMatchObject({
      status: 'CANCELLED',
      decidedAtMs: cancel.decided_at_ms,
      seatIds: ['1-1', '1-2'],
    })
    expect(cancelled).not.toHaveProperty('reason')
  })

  it('keeps the status that a refused cancel left, and says why it was refused', () => {
    expect(bookingOf([book, { ...cancel, reason: 'PERFORMANCE_STARTED' }])).toMatchObject({
      status: 'CONFIRMED',
      reason: { code: 'PERFORMANCE_STARTED' },
    })
  })

  it('keeps the reason of a rejection that somebody tried to cancel', () => {
    const rejected: Row = { ...book, status: 'REJECTED', reason: 'SEAT_TAKEN', reason_seat_ids: '1-2' }
    expect(bookingOf([rejected, cancel])).toMatchObject({
      status: 'REJECTED',
      reason: { code: 'SEAT_TAKEN', seatIds: ['1-2'] },
      decidedAtMs: book.decided_at_ms,
    })
  })

  it('is nothing without a book', () => {
    expect(bookingOf([])).toBeUndefined()
    expect(bookingOf([cancel])).toBeUndefined()
  })
})
