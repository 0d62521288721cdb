import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { importCatalogue, parseCatalogue } from '../../shared/catalogue/import-catalogue.ts'
import type { Environment } from '../../shared/config.ts'
import { signToken } from '../../shared/sign-token.ts'

const TOKEN_LIFETIME = '30d'

const readCatalogue = (root: string): unknown =>
  JSON.parse(readFileSync(join(root, 'deploy', 'demo', 'catalogue.json'), 'utf8'))

/** Loads the demo's performances that are missing. Those that are there may have been changed, and stay. */
export async function loadDemo(knex: Knex, root: string): Promise<number> {
  const catalogue = readCatalogue(root)
  const wanted = [...parseCatalogue(catalogue).keys()]
  const rows = await knex<{ performance_id: string }>('performances').whereIn('performance_id', wanted)
  const present = new Set(rows.map((row) => row.performance_id))
  const { performances } = z
    .object({ performances: z.array(z.looseObject({ id: z.string() })) })
    .parse(catalogue)
  const missing = performances.filter(({ id }) => !present.has(id))
  if (missing.length > 0) await importCatalogue(knex, { performances: missing })
  return missing.length
}

/** Tokens of a customer and of an administrator, as the function server will check them. */
export async function demoTokens(
  secret: string,
  environment: Environment,
): Promise<{ customer: string; admin: string }> {
  const sign = (subject: string, admin: boolean): Promise<string> =>
    signToken(secret, environment, { subject, admin, lifetime: TOKEN_LIFETIME })
  return { customer: await sign('demo-customer', false), admin: await sign('demo-admin', true) }
}

const seatsSchema = z.object({
  rows: z.array(z.object({ id: z.string(), seats: z.array(z.string()) })),
  taken: z.array(z.string()),
})

/** One line for a shell that books a seat which is free now. */
export async function curlLine(root: string, api: string, token: string): Promise<string> {
  const place = await freeSeat(root, api)
  return [
    `curl -i -X POST ${api}/bookings`,
    `-H 'Authorization: Bearer ${token}'`,
    `-H 'Idempotency-Key: ${randomUUID()}'`,
    `-H 'Content-Type: application/json'`,
    `-d '${JSON.stringify(place)}'`,
  ].join(' ')
}

async function freeSeat(
  root: string,
  api: string,
): Promise<{ performanceId: string; sectionId: string; seatIds: string[] }> {
  const candidates = [...parseCatalogue(readCatalogue(root))].flatMap(([performanceId, { sections }]) =>
    sections.map(({ id }) => ({ performanceId, sectionId: id })),
  )
  for (const { performanceId, sectionId } of candidates) {
    const response = await fetch(`${api}/performances/${performanceId}/sections/${sectionId}/seats`)
    if (!response.ok) continue
    const { rows, taken } = seatsSchema.parse(await response.json())
    const free = rows
      .flatMap((row) => row.seats.map((seat) => `${row.id}-${seat}`))
      .find((seat) => !taken.includes(seat))
    if (free !== undefined) return { performanceId, sectionId, seatIds: [free] }
  }
  return { performanceId: 'hamlet-0101', sectionId: 'A', seatIds: ['1-1'] }
}
