import { z } from 'zod'
import { customerIdSchema, idSchema, requestIdSchema } from './ids.ts'

/** What a client sees of a request. `HELD` and `EXPIRED` will join. */
export const statusSchema = z.enum(['PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED'])
export type Status = z.infer<typeof statusSchema>

/** Statuses that a decision can give. */
export type DecidedStatus = Exclude<Status, 'PENDING'>

const rejectionCodes = [
  'SEAT_TAKEN',
  'UNKNOWN_PERFORMANCE',
  'UNKNOWN_SECTION',
  'UNKNOWN_SEAT',
  'SALE_NOT_OPEN',
  'SALE_CLOSED',
  'INTERNAL',
] as const

/** Why a cancel left a confirmed booking as it was. */
const cancelRefusalCodes = ['PERFORMANCE_STARTED'] as const

export const reasonSchema = z.object({
  code: z.enum([...rejectionCodes, ...cancelRefusalCodes]),
  /** The seats it is about, where it is about seats. */
  seatIds: z.array(idSchema).optional(),
})
export type Reason = z.infer<typeof reasonSchema>
export type ReasonCode = Reason['code']

/**
 * A request and what became of it, as the outcome key in Redis holds it (JSON). While it is pending
 * the accept script writes it; the consumer replaces it after commit.
 */
export const bookingSchema = z.object({
  requestId: requestIdSchema,
  customerId: customerIdSchema,
  performanceId: idSchema,
  sectionId: idSchema,
  seatIds: z.array(idSchema),
  status: statusSchema,
  reason: reasonSchema.optional(),
  /** Redis `TIME` at acceptance, in microseconds. */
  requestedAtUs: z.number().int(),
  /** The deciding consumer's clock, in milliseconds; for display only. */
  decidedAtMs: z.number().int().optional(),
})
export type Booking = z.infer<typeof bookingSchema>
