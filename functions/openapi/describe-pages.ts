import { z } from 'zod'
import { limitSchema } from '../cursor.ts'

/** What lists in pages have in common. */
export const pageLimitSchema = limitSchema.meta({ description: 'Entries of a page.', examples: [20] })

export const cursorSchema = z
  .string()
  .max(1_000)
  .optional()
  .meta({ description: '`next` of the page before.', examples: ['WyJoYW1sZXQtMDEwMSJd'] })

export const nextSchema = z
  .string()
  .optional()
  .meta({ description: '`cursor` of the next page; missing on the last.' })
