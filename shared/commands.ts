import { z } from 'zod'
import { customerIdSchema, fingerprintSchema, idSchema, requestIdSchema, seatIdsSchema } from './ids.ts'

const traceparentSchema = z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)

const common = {
  requestId: requestIdSchema,
  customerId: customerIdSchema,
  performanceId: idSchema,
  sectionId: idSchema,
  /** Redis `TIME` when the command was accepted, in microseconds: the "now" of the decision. */
  requestedAtUs: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  /** Version of the topology under which the command was put on its stream. */
  topologyVersion: z.number().int().positive().max(0xffff_ffff),
  /** The client's trace (W3C Trace Context); one that makes no sense costs nobody a booking. */
  traceparent: traceparentSchema.optional().catch(undefined),
}

const bookSchema = z.strictObject({
  kind: z.literal('book'),
  ...common,
  seatIds: seatIdsSchema,
  fingerprint: fingerprintSchema,
})

const cancelSchema = z.strictObject({ kind: z.literal('cancel'), ...common })

/** What travels on a stream. `hold`, `confirm` and `expire` will join the union. */
export const commandSchema = z.discriminatedUnion('kind', [bookSchema, cancelSchema])

export type Command = z.infer<typeof commandSchema>
export type BookCommand = z.infer<typeof bookSchema>
export type CancelCommand = z.infer<typeof cancelSchema>

/**
 * A command as its stream entry: one field, whose name is the command's id, by which settling recognises it, and whose value
 * is a JSON object with all the rest. One field, because every text of an entry is paid for five times: when it is added,
 * read, decoded, compared before it is deleted, and logged by Redis.
 */
export function encodeCommand({
  kind,
  requestId,
  ...rest
}: Readonly<Record<string, unknown>> & Pick<Command, 'kind' | 'requestId'>): [id: string, json: string] {
  return [commandId({ kind, requestId }), JSON.stringify(rest)]
}

/** Longest JSON that a command of ours can have, with much to spare, in characters. A hostile entry may have millions. */
const MAX_COMMAND_LENGTH = 8_192

/**
 * What `encodeCommand` and the accept scripts wrote, put together again; nothing of it is checked yet. Otherwise what is
 * wrong with it, without the entry's values.
 */
export function decodeFields(fields: readonly unknown[]): Record<string, unknown> | string {
  const [id, json] = fields
  if (fields.length !== 2 || typeof id !== 'string') return 'has not the one field of a command'
  const { kind, requestId } = partsOf(id)
  // It would be settled under another name than it has.
  if (commandId({ kind, requestId }) !== id) return 'names a booking as something else'
  if (typeof json !== 'string' || json.length > MAX_COMMAND_LENGTH) return 'command: no text, or too long'
  const command = jsonObject(json)
  if (command === undefined) return 'command: no JSON object'
  if ('kind' in command || 'requestId' in command) return 'names a field twice'
  command['kind'] = kind
  command['requestId'] = requestId
  return command
}

function jsonObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Each command has an id of its own: a `book` has the request's, others add their kind. */
export function commandId(command: { readonly kind: string; readonly requestId: string }): string {
  return command.kind === 'book' ? command.requestId : `${command.requestId}/${command.kind}`
}

/** What a command's id says. Nothing of it is checked. */
function partsOf(id: string): { kind: string; requestId: string } {
  const slash = id.indexOf('/')
  return slash < 0
    ? { kind: 'book', requestId: id }
    : { kind: id.slice(slash + 1), requestId: id.slice(0, slash) }
}
