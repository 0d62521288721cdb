import type { Context } from 'hono'
import { z } from 'zod'
import { performanceDefinitionSchema } from '../shared/catalogue/performance-schema.ts'
import { putPerformance } from '../shared/catalogue/put-performance.ts'
import { getPerformance, listPerformances } from '../shared/catalogue/read-catalogue.ts'
import { idSchema } from '../shared/ids.ts'
import { Answer } from './answer.ts'
import { cursorOf, encodeCursor, limitSchema } from './cursor.ts'
import type { Route } from './exchange.ts'
import { needsAdmin } from './identity.ts'
import * as described from './openapi/describe-catalogue.ts'
import type { Ports } from './ports.ts'
import { notFound, problem } from './problem.ts'
import { readJson } from './request-body.ts'
import { validate } from './validate.ts'

/** A house of 100,000 seats whose labels are listed one by one. */
const MAX_DEFINITION_BYTES = 8 * 1_024 * 1_024
/** A house of that size is written in many statements. */
const PUT_WITHIN_MS = 30_000

export function performanceRoutes(ports: Ports): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/performances',
      operation: described.listPerformances,
      handler: (c) => list(ports, c),
    },
    {
      method: 'GET',
      pattern: '/performances/:performanceId',
      operation: described.getPerformance,
      handler: (c) => get(ports, c),
    },
    {
      method: 'PUT',
      pattern: '/performances/:performanceId',
      operation: described.putPerformance,
      handler: (c) => put(ports, c),
    },
  ]
}

const listQuerySchema = z.object({ limit: limitSchema, cursor: cursorOf(z.tuple([idSchema])).optional() })
const paramsSchema = z.object({ performanceId: idSchema })

async function list(ports: Ports, c: Context): Promise<Answer> {
  const query = validate(listQuerySchema, c.req.query())
  if (query instanceof Answer) return query
  const { limit, cursor } = query.value
  const { performances, next } = await ports.mysql.ask((knex) =>
    listPerformances(knex, { limit, after: cursor?.[0] }),
  )
  return new Answer(200, { performances, ...(next === undefined ? {} : { next: encodeCursor([next]) }) })
}

async function get(ports: Ports, c: Context): Promise<Answer> {
  const performanceId = idSchema.safeParse(c.req.param('performanceId'))
  if (!performanceId.success) return notFound()
  const performance = await ports.mysql.ask((knex) => getPerformance(knex, performanceId.data))
  return performance === undefined ? notFound() : new Answer(200, performance)
}

async function put(ports: Ports, c: Context): Promise<Answer> {
  const caller = await ports.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  if (!caller.admin) return needsAdmin()
  const params = validate(paramsSchema, c.req.param())
  if (params instanceof Answer) return params
  const body = await readJson(c, MAX_DEFINITION_BYTES)
  if (body instanceof Answer) return body
  const definition = validate(performanceDefinitionSchema, body.value)
  if (definition instanceof Answer) return definition

  const { performanceId: id } = params.value
  // A MySQL that is away is found out quickly; only then is it given the time that a large house takes.
  await ports.mysql.ask((knex) => knex.raw('SELECT 1'))
  const result = await ports.mysql.ask((knex) => putPerformance(knex, id, definition.value), PUT_WITHIN_MS)
  if (result.kind === 'seats-sold') {
    return problem('seats-sold', 'These seats are sold and not in the new definition.', {
      members: { seats: result.seats },
    })
  }
  const location = { location: `/performances/${id}` }
  return new Answer(result.kind === 'created' ? 201 : 200, { id, version: result.version }, location)
}
