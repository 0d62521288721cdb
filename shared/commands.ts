import { z } from 'zod'
import { customerIdSchema, fingerprintSchema, idSchema, requestIdSchema, seatIdsSchema } from './ids.ts'

const traceparentSchema = z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)

/**
 * What travels on a stream. Field names are those of the stream entry: Redis stores the names of a
 * run of equal-shaped entries once, so they can afford to be readable.
 */
const common = {
  requestId: requestIdSchema,
  customerId: customerIdSchema,
  performanceId: idSchema,
  sectionId: idSchema,
  /** Redis `TIME` when the command was accepted, in microseconds: the "now" of the decision. */
  requestedAtUs: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  /** Version of the topology under which the command was put on its stream. */
  topologyVersion: z.coerce.number().int().positive().max(0xffff_ffff),
  /** The client's trace (W3C Trace Context); one that makes no sense costs nobody a booking. */
  traceparent: traceparentSchema.optional().catch(undefined),
}

const commaSeparated = z
  .string()
  .max(1_000)
  .transform((text) => text.split(','))

const bookSchema = z.strictObject({
  kind: z.literal('book'),
  ...common,
  seatIds: commaSeparated.pipe(seatIdsSchema),
  fingerprint: fingerprintSchema,
})

const cancelSchema = z.strictObject({ kind: z.literal('cancel'), ...common })

/** The stream fields of a command, as strings. `hold`, `confirm` and `expire` will join the union. */
export const commandSchema = z.discriminatedUnion('kind', [bookSchema, cancelSchema])

export type Command = z.infer<typeof commandSchema>
export type BookCommand = z.infer<typeof bookSchema>
export type CancelCommand = z.infer<typeof cancelSchema>

/** Each command has an id of its own: a `book` has the request's, others add their kind. */
export function commandId(command: { readonly kind: string; readonly requestId: string }): string {
  return command.kind === 'book' ? command.requestId : `${command.requestId}/${command.kind}`
}
