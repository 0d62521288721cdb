import { z } from 'zod'

/** Length of an id of a performance, section, seat, row or event, in characters. */
export const MAX_ID_LENGTH = 64

/** Seats that one request may ask for. */
export const MAX_SEATS_PER_REQUEST = 10

/**
 * A text that matches a pattern as a whole. It says what `z.string().regex(pattern, message)` says, at half of its cost: every
 * check of a schema makes an object and a closure for each text that it looks at, and a template literal has none.
 *
 * @param pattern from ^ to $, without alternatives outside of brackets
 */
function textLike(pattern: RegExp, message: string): z.ZodTemplateLiteral {
  const error = ({ code }: { readonly code?: string | undefined }): string | undefined =>
    code === 'invalid_format' ? message : undefined
  return z.templateLiteral([z.string().regex(pattern)], { error })
}

const ID = [/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, hyphens or underscores'] as const

/** Id of an event, performance, section, row or seat: case-sensitive, safe in a URL and in a Redis key. */
export const idSchema = textLike(...ID)

/** The same for an alternative of a union: zod keeps what is wrong within one only if it does not end the check. */
export const alternativeIdSchema = z.string().regex(...ID)

/**
 * Name of a request: its slot in 4 hexadecimal digits (0000–3fff), then 128 bits of hash in 32.
 * The slot in front lets any process find the request's shard from the name alone.
 */
export const requestIdSchema = textLike(/^[0-3][0-9a-f]{35}$/, 'must be a request id')

/**
 * `sub` of a token: OpenID Connect allows at most 255 ASCII characters. No space at the end, because
 * MySQL's padded collations would take `alice` and `alice ` for the same customer.
 */
export const customerIdSchema = textLike(
  /^[\x20-\x7e]{0,254}[\x21-\x7e]$/,
  'must be 1 to 255 printable ASCII characters',
)

/** SHA-256 in base64url. */
export const fingerprintSchema = textLike(/^[A-Za-z0-9_-]{43}$/, 'must be a SHA-256 in base64url')

/** The seats of one request: distinct, 1 to 10. */
export const seatIdsSchema = z
  .array(idSchema)
  .min(1)
  .max(MAX_SEATS_PER_REQUEST)
  .refine(
    (seatIds) => seatIds.length === 1 || new Set(seatIds).size === seatIds.length,
    'must not name a seat twice',
  )
