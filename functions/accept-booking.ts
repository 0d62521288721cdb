import { idSchema, seatIdsSchema } from '../shared/ids.ts'
import { partitionOf } from '../shared/placement.ts'
import { fingerprintOf } from '../shared/request-id.ts'
import { z } from 'zod'
import type { Ports } from './ports.ts'
import { runOnShard, type Run } from './run-on-shard.ts'

/** What a booking's body must be. Unknown fields are refused: a misspelt wish must not be carried out without them. */
export const bookingRequestSchema = z.strictObject({
  performanceId: idSchema,
  sectionId: idSchema,
  seatIds: seatIdsSchema,
})

export type BookingRequest = z.infer<typeof bookingRequestSchema>

/** What goes along with a booking. */
interface BookingExtras {
  /** The client's trace. */
  readonly traceparent: string | undefined
  /** Where the outcome is to be sent. */
  readonly replyTo: string | undefined
}

/** Longest body that says a valid booking, with room for generous white space, in bytes. */
export const MAX_BOOKING_BYTES = 64 * 1_024

/** Puts a booking on its section's stream. One script on one shard; MySQL has no part in it. */
export function acceptBooking(
  ports: Ports,
  customerId: string,
  requestId: string,
  wish: BookingRequest,
  { traceparent, replyTo = '' }: BookingExtras,
): Promise<Run> {
  const { performanceId, sectionId, seatIds } = wish
  const fingerprint = fingerprintOf(wish)
  const common = JSON.stringify({ customerId, performanceId, sectionId, seatIds }).slice(1, -1)
  const trace = traceparent === undefined ? '' : `,"traceparent":"${traceparent}"`
  return runOnShard(ports, (placement) => {
    const partition = partitionOf(placement.topology, performanceId, sectionId)
    const booking = { requestId, customerId, sectionId, partition, fingerprint, common, trace, replyTo }
    return ports.acceptBooking(placement, partition.shard, booking)
  })
}
