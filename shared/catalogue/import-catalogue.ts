import type { Knex } from 'knex'
import { z } from 'zod'
import { FrontrowError } from '../errors.ts'
import { idSchema } from '../ids.ts'
import { performanceDefinitionSchema, type PerformanceDefinition } from './performance-schema.ts'
import { putPerformance, type PutResult } from './put-performance.ts'

const documentSchema = z.strictObject({
  performances: z
    .array(z.looseObject({ id: idSchema }))
    .min(1)
    .max(10_000),
})

export interface Imported {
  readonly performanceId: string
  readonly result: PutResult
}

/**
 * Puts every performance of a document `{ "performances": [{ "id": …, …the body of PUT /performances/{id} }] }`.
 * Nothing is put unless all of it is valid.
 *
 * @throws FrontrowError CONFIG_INVALID, naming the first places that are wrong
 */
export async function importCatalogue(knex: Knex, document: unknown): Promise<Imported[]> {
  const imported: Imported[] = []
  for (const [performanceId, definition] of parseCatalogue(document)) {
    imported.push({ performanceId, result: await putPerformance(knex, performanceId, definition) })
  }
  return imported
}

/** @throws FrontrowError CONFIG_INVALID */
export function parseCatalogue(document: unknown): Map<string, PerformanceDefinition> {
  const { performances } = valid(documentSchema, document, '')
  const parsed = new Map<string, PerformanceDefinition>()
  performances.forEach(({ id, ...definition }, index) => {
    if (parsed.has(id))
      throw new FrontrowError('CONFIG_INVALID', `catalogue: performance ${id} stands there twice`)
    parsed.set(id, valid(performanceDefinitionSchema, definition, `performances.${index} (${id}): `))
  })
  return parsed
}

function valid<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const complaints = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
  throw new FrontrowError('CONFIG_INVALID', `catalogue: ${where}${complaints.join('; ')}`)
}
