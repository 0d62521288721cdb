import { describe, expect, it } from 'vitest'
import type { Booking } from '../shared/outcomes.ts'
import { bookingAnswer, bookingView } from './booking-view.ts'

const pending: Booking = {
  requestId: '01ff000102030405060708090a0b0c0d0e0f',
  customerId: 'alice',
  performanceId: 'hamlet',
  sectionId: 'A',
  seatIds: ['1-1', '1-2'],
  status: 'PENDING',
  requestedAtUs: 1_795_000_000_123_999,
}

describe('bookingView', () => {
  it('shows a pending request without what is not known yet, and never the customer', () => {
    expect(bookingView(pending)).toEqual({
      requestId: pending.requestId,
      status: 'PENDING',
      performanceId: 'hamlet',
      sectionId: 'A',
      seatIds: ['1-1', '1-2'],
      requestedAt: '2026-11-18T11:06:40.123Z',
    })
  })

  it('shows why and when', () => {
    const reason = { code: 'SEAT_TAKEN', seatIds: ['1-1'] } as const
    const rejected: Booking = {
      ...pending,
      status: 'REJECTED',
      reason: { ...reason, seatIds: ['1-1'] },
      decidedAtMs: 1_795_000_000_456,
    }
    expect(bookingView(rejected)).toMatchObject({ reason, decidedAt: '2026-11-18T11:06:40.456Z' })
  })
})

describe('bookingAnswer', () => {
  it('says when to look again only while there is something to wait for', () => {
    expect(bookingAnswer(pending).headers['retry-after']).toBe('1')
    expect(bookingAnswer({ ...pending, status: 'CONFIRMED' }).headers).not.toHaveProperty('retry-after')
  })
})
