import { z } from 'zod'
import { MAX_WAIT_SECONDS } from '../prefer.ts'

/** Headers that requests may carry, as schemas for the document; what each must be is checked where it is read. */
export const requestHeaders = {
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(1_000)
    .meta({
      description:
        'A key of your own making, one for each wish: 1 to 255 visible ASCII characters, in quotes or without (draft-ietf-httpapi-idempotency-key-header).',
      examples: ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    }),
  Prefer: z
    .string()
    .optional()
    .meta({
      description: `\`wait=N\`: hold the answer back for up to N seconds (${MAX_WAIT_SECONDS} are granted at most) until the outcome is known (RFC 7240).`,
      examples: ['wait=10'],
    }),
  'If-None-Match': z
    .string()
    .optional()
    .meta({ description: 'The `ETag` of what you have.', examples: ['"6f2d1c"'] }),
  'Last-Event-ID': z
    .string()
    .optional()
    .meta({ description: '`id` of the last event that came before.', examples: ['1795910400000-0'] }),
  'X-Request-Id': z
    .string()
    .optional()
    .meta({
      description:
        'Your own id for this exchange: up to 64 letters, digits, `_`, `.`, `:` and `-`; another is replaced.',
      examples: ['checkout-17'],
    }),
  traceparent: z
    .string()
    .optional()
    .meta({
      description: 'W3C Trace Context; goes along with the command.',
      examples: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    }),
} as const satisfies Record<string, z.ZodType>

export type RequestHeader = keyof typeof requestHeaders

interface DescribedHeader {
  readonly description: string
  readonly example: string
}

/** Headers of answers. */
export const responseHeaders = {
  'X-Request-Id': { description: 'Under this id the log has it.', example: 'qVbP3yGk2mXo-1f' },
  'X-Content-Type-Options': { description: 'It is what its type says.', example: 'nosniff' },
  'Content-Security-Policy': {
    description: 'What a browser that shows it may load.',
    example: "default-src 'none'; frame-ancestors 'none'",
  },
  'Referrer-Policy': {
    description: 'What is linked from it is not told where the reader came from.',
    example: 'no-referrer',
  },
  'Cache-Control': { description: 'Who may keep it.', example: 'no-store' },
  Location: {
    description: 'Where the resource is.',
    example: '/bookings/30d7c2a41f7a9be6c3f0a5d8e1b2c3d4e5f6',
  },
  'Content-Location': {
    description: 'Where this representation is.',
    example: '/bookings/30d7c2a41f7a9be6c3f0a5d8e1b2c3d4e5f6',
  },
  'Retry-After': { description: 'Seconds after which to ask again.', example: '1' },
  ETag: { description: 'Names this very representation.', example: '"6f2d1c"' },
  'Preference-Applied': { description: 'The wait that was granted.', example: 'wait=10' },
  'RateLimit-Policy': {
    description:
      'Requests `q` of one customer in `w` seconds, counted for each shard (draft-ietf-httpapi-ratelimit-headers). Missing where there is no limit.',
    example: '"customer";q=60;w=10',
  },
  RateLimit: {
    description: 'Requests `r` that are left, and the seconds `t` until there are all again.',
    example: '"customer";r=59;t=10',
  },
  'WWW-Authenticate': {
    description: 'How to identify (RFC 6750).',
    example: 'Bearer realm="frontrow", error="invalid_token"',
  },
  'X-Accel-Buffering': { description: 'Not to be held back on its way.', example: 'no' },
  Connection: { description: 'The connection ends with this answer.', example: 'close' },
} as const satisfies Record<string, DescribedHeader>

export type ResponseHeader = keyof typeof responseHeaders

/** Of every answer that comes from the application. */
export const everyAnswer: readonly ResponseHeader[] = [
  'X-Request-Id',
  'X-Content-Type-Options',
  'Content-Security-Policy',
  'Referrer-Policy',
  'Cache-Control',
]
