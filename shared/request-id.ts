import { hash } from 'node:crypto'
import { hashParts, slotOf } from './placement.ts'

/**
 * Derives a request's id: the slot of its performance, then 128 bits of SHA-256 over the
 * length-prefixed (customer, performance, Idempotency-Key). The same wish has the same id on every
 * instance and for ever, which is what makes a retry safe without any state.
 */
export function deriveRequestId(customerId: string, performanceId: string, idempotencyKey: string): string {
  const slot = slotOf(performanceId).toString(16).padStart(4, '0')
  return slot + hashParts([customerId, performanceId, idempotencyKey]).slice(0, 32)
}

/** The slot that a request's id carries. */
export function slotOfRequestId(requestId: string): number {
  return Number.parseInt(requestId.slice(0, 4), 16)
}

/** SHA-256, in base64url, of a booking's parsed body in canonical form: the seats' order is no part of the wish. */
export function fingerprintOf(body: {
  performanceId: string
  sectionId: string
  seatIds: readonly string[]
}): string {
  const canonical = JSON.stringify([body.performanceId, body.sectionId, [...body.seatIds].sort()])
  return hash('sha256', canonical, 'base64url')
}
