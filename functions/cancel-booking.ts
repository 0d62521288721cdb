import type { Booking } from '../shared/outcomes.ts'
import { acceptCancel } from './accept-cancel.ts'
import { Answer } from './answer.ts'
import { locationOf, underWayAnswer } from './booking-view.ts'
import { notAcceptedAnswer } from './not-accepted.ts'
import type { PerformanceStart } from './performance-start.ts'
import type { Ports } from './ports.ts'
import { problem } from './problem.ts'

/** Cancels a booking of the caller's. The consumer has the last word; what is plain already is said at once. */
export async function cancelBooking(
  ports: Ports,
  startOf: PerformanceStart,
  booking: Booking,
  traceparent: string | undefined,
): Promise<Answer> {
  const { requestId, status } = booking
  if (status === 'REJECTED' || status === 'CANCELLED') {
    return new Answer(202, { requestId, status }, { location: locationOf(requestId) })
  }
  const startsAtMs = await startOf(booking.performanceId)
  if (startsAtMs !== undefined && ports.clock.nowMs() >= startsAtMs) {
    return problem('performance-started', 'After the performance has begun nothing can be cancelled.')
  }
  const run = await acceptCancel(ports, booking, traceparent)
  return notAcceptedAnswer(ports, 'cancel', requestId, run) ?? underWayAnswer(requestId, status)
}
