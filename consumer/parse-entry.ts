import { createHash } from 'node:crypto'
import { z } from 'zod'
import { commandSchema, decodeFields, type Command } from '../shared/commands.ts'
import { customerIdSchema, idSchema, requestIdSchema } from '../shared/ids.ts'
import { slotOf } from '../shared/placement.ts'
import { slotOfRequestId } from '../shared/request-id.ts'

/** A stream entry as Redis holds it. */
export interface Entry {
  /** Number of the partition, within the shard, on whose stream it lies. */
  readonly partition: number
  /** Redis' id of the entry: an address, never an order or a time. */
  readonly id: string
  /** Names and values in turn. */
  readonly fields: readonly string[]
}

/** An entry that is no command. */
export interface Malformed {
  readonly entry: Entry
  /** One sentence, without the entry's values. */
  readonly reason: string
  /** The request it names, where it names one well enough to be rejected. */
  readonly names: NamedRequest | undefined
}

type NamedRequest = z.infer<typeof namedRequestSchema>

export type ParsedEntry =
  | { readonly kind: 'command'; readonly entry: Entry; readonly command: Command }
  | { readonly kind: 'malformed'; readonly malformed: Malformed }

/** Enough to tell a customer that their booking failed. Only a `book` makes a request. */
const namedRequestSchema = z.object({
  kind: z.literal('book'),
  requestId: requestIdSchema,
  customerId: customerIdSchema,
  performanceId: idSchema,
  sectionId: idSchema,
})

export function parseEntry(entry: Entry): ParsedEntry {
  const fields = decodeFields(entry.fields)
  if (typeof fields === 'string') {
    return { kind: 'malformed', malformed: { entry, reason: fields, names: undefined } }
  }
  const result = commandSchema.safeParse(fields)
  const reason = result.success ? whyForeign(result.data) : whyUnparsed(result.error)
  if (result.success && reason === undefined) return { kind: 'command', entry, command: result.data }
  const names = namedRequestSchema.safeParse(fields)
  return {
    kind: 'malformed',
    malformed: {
      entry,
      reason: reason ?? 'not a command',
      names: names.success && whyForeign(names.data) === undefined ? names.data : undefined,
    },
  }
}

/** In the JSON of a command. Inside a string of it the quotes would be escaped. */
const TRACE = /"traceparent":"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})"/

/** The trace that a client asked to be recorded (the flag `sampled`); undefined where there is none. */
export function sampledTraceOf(entry: Entry): string | undefined {
  const [, traceId, flags = ''] = TRACE.exec(entry.fields.at(-1) ?? '') ?? []
  return (Number.parseInt(flags, 16) & 1) === 1 ? traceId : undefined
}

/** A request's id carries its performance's slot; anything else would be stored where nobody looks. */
function whyForeign(command: { requestId: string; performanceId: string }): string | undefined {
  return slotOfRequestId(command.requestId) === slotOf(command.performanceId)
    ? undefined
    : 'the request id does not belong to the performance'
}

function whyUnparsed(error: z.ZodError): string {
  const complaints = error.issues.map((issue) => `${issue.path.join('.') || 'entry'}: ${issue.code}`)
  return complaints.slice(0, 5).join('; ').slice(0, 200)
}

/** By what settling recognises a malformed entry: SHA-1 over its fields with NUL between them, as the script computes it. */
export function rawIdentity(fields: readonly (string | Buffer)[]): string {
  const hash = createHash('sha1')
  fields.forEach((field, i) => {
    if (i > 0) hash.update('\0')
    hash.update(field)
  })
  return hash.digest('hex')
}

/** Bytes of a malformed entry that its dead letter keeps. */
const DEAD_LETTER_BYTES = 4_096

/** The entry as its dead letter keeps it: JSON of its fields, cut off. */
export function deadLetterBody(entry: Entry): Buffer {
  const kept: string[] = []
  let length = 0
  for (const field of entry.fields) {
    kept.push(field.slice(0, DEAD_LETTER_BYTES))
    length += field.length
    if (length > DEAD_LETTER_BYTES) break
  }
  return Buffer.from(JSON.stringify(kept)).subarray(0, DEAD_LETTER_BYTES)
}

/** Names a dead letter, so that storing it twice stores it once. */
export function deadLetterDigest(shard: number, entry: Entry): string {
  const hash = createHash('sha256').update(`${shard}/${entry.partition}/${entry.id}`)
  for (const field of entry.fields) hash.update(`\0${field}`)
  return hash.digest('hex')
}
