import { z } from 'zod'

/** Cursors say nothing to clients, so that they may change: base64url of JSON. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** A query parameter that `encodeCursor` made, as the position that `schema` describes. */
export function cursorOf<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z
    .string()
    .max(1_000)
    .transform((text, context) => {
      try {
        const position = schema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()))
        if (position.success) return position.data
      } catch {
        // Said below.
      }
      context.addIssue({ code: 'custom', message: 'must be the "next" of a page before' })
      return z.NEVER
    })
}

const MAX_LIMIT = 100
const DEFAULT_LIMIT = 20

/** `limit` of a list's query. */
export const limitSchema = z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT)
