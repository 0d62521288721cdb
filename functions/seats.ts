import { idSchema } from '../shared/ids.ts'
import { Answer, JsonText } from './answer.ts'
import type { RequestContext, Route } from './exchange.ts'
import * as described from './openapi/describe-catalogue.ts'
import type { Ports } from './ports.ts'
import { notFound } from './problem.ts'
import { createSeatMaps, type SeatMaps } from './seat-maps.ts'

export function seatRoutes(ports: Ports): Route[] {
  const seatMaps = createSeatMaps(ports)
  return [
    {
      method: 'GET',
      pattern: '/performances/:performanceId/sections/:sectionId/seats',
      operation: described.getSeats,
      handler: (c) => getSeats(seatMaps, c),
    },
  ]
}

async function getSeats(seatMaps: SeatMaps, c: RequestContext): Promise<Answer | Response> {
  const performanceId = idSchema.safeParse(c.req.param('performanceId'))
  const sectionId = idSchema.safeParse(c.req.param('sectionId'))
  if (!performanceId.success || !sectionId.success) return notFound()
  const map = await seatMaps(performanceId.data, sectionId.data)
  if (map === undefined) return notFound()
  const { json, etag } = map
  // no-cache: keep it, but ask each time whether it still holds.
  const headers = { etag, 'cache-control': 'no-cache' }
  // Many ask for the same section again and again: what has not changed is not sent again.
  if (isKnown(c.req.header('if-none-match'), etag)) return new Response(null, { status: 304, headers })
  return new Answer(200, new JsonText(json), headers)
}

/** Whether a client has it (RFC 9110, section 13.1.2): compared weakly, and `*` is whatever there is. Our tags have no comma. */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
}
