import { etag } from 'hono/etag'
import { getSectionSeats } from '../shared/catalogue/read-catalogue.ts'
import { idSchema } from '../shared/ids.ts'
import type { Answer } from './answer.ts'
import type { RequestContext, Route } from './exchange.ts'
import * as described from './openapi/describe-catalogue.ts'
import type { Ports } from './ports.ts'
import { notFound } from './problem.ts'

/** Many ask for the same section again and again: what has not changed is not sent again. */
const withEtag = etag()

export function seatRoutes(ports: Ports): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/performances/:performanceId/sections/:sectionId/seats',
      operation: described.getSeats,
      handler: (c) => getSeats(ports, c),
    },
  ]
}

async function getSeats(ports: Ports, c: RequestContext): Promise<Answer | Response> {
  const performanceId = idSchema.safeParse(c.req.param('performanceId'))
  const sectionId = idSchema.safeParse(c.req.param('sectionId'))
  if (!performanceId.success || !sectionId.success) return notFound()
  const seats = await ports.mysql.ask((knex) => getSectionSeats(knex, performanceId.data, sectionId.data))
  if (seats === undefined) return notFound()
  await withEtag(c, () => {
    // no-cache: keep it, but ask each time whether it still holds.
    c.res = c.json(seats, 200, { 'cache-control': 'no-cache' })
    return Promise.resolve()
  })
  const { res } = c
  // What the middleware does not know: any representation will do (RFC 9110, section 13.1.2).
  const isAny = c.req.header('if-none-match')?.trim() === '*'
  return isAny ? new Response(null, { status: 304, headers: unchangedHeaders(res) }) : res
}

function unchangedHeaders({ headers }: Response): Record<string, string> {
  return { etag: headers.get('etag') ?? '', 'cache-control': headers.get('cache-control') ?? '' }
}
