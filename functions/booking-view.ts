import { z } from 'zod'
import { idSchema, requestIdSchema } from '../shared/ids.ts'
import { reasonSchema, statusSchema, type Booking, type Status } from '../shared/outcomes.ts'
import { Answer } from './answer.ts'

/** A booking as its customer sees it. */
export const bookingViewSchema = z.object({
  requestId: requestIdSchema,
  status: statusSchema,
  performanceId: idSchema,
  sectionId: idSchema,
  seatIds: z.array(idSchema),
  reason: reasonSchema.optional(),
  /** ISO 8601, UTC, milliseconds. */
  requestedAt: z.iso.datetime(),
  decidedAt: z.iso.datetime().optional(),
})

type BookingView = z.infer<typeof bookingViewSchema>

/** Field by field, because what is stored has more than the customer's view: never spread it. */
export function bookingView(booking: Booking): BookingView {
  const { requestId, status, performanceId, sectionId, seatIds, reason, requestedAtUs, decidedAtMs } = booking
  return {
    requestId,
    status,
    performanceId,
    sectionId,
    seatIds,
    ...(reason === undefined ? {} : { reason }),
    requestedAt: new Date(Math.floor(requestedAtUs / 1_000)).toISOString(),
    ...(decidedAtMs === undefined ? {} : { decidedAt: new Date(decidedAtMs).toISOString() }),
  }
}

export function locationOf(requestId: string): string {
  return `/bookings/${requestId}`
}

/** Seconds after which it is worth asking for the outcome: decisions take milliseconds unless there is a queue. */
const POLL_AFTER_SECONDS = '1'

/** `200` with all there is to see; while it is pending, when to look again. */
export function bookingAnswer(booking: Booking): Answer {
  return new Answer(200, bookingView(booking), {
    'content-location': locationOf(booking.requestId),
    ...(booking.status === 'PENDING' ? { 'retry-after': POLL_AFTER_SECONDS } : {}),
  })
}

/** `202`: it is on its way, and this is where to look. */
export function underWayAnswer(requestId: string, status: Status): Answer {
  return new Answer(
    202,
    { requestId, status },
    { location: locationOf(requestId), 'retry-after': POLL_AFTER_SECONDS },
  )
}
