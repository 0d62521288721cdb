import { performanceTimes } from '../shared/catalogue/read-catalogue.ts'
import { idSchema } from '../shared/ids.ts'
import type { Answer } from './answer.ts'
import type { RequestContext, Route } from './exchange.ts'
import { watchSeats } from './openapi/describe-catalogue.ts'
import type { Ports } from './ports.ts'
import { notFound, problem, unavailable } from './problem.ts'

/** Seconds after which there may be room for another stream: they are left open for minutes, not for moments. */
const ROOM_AFTER_SECONDS = '10'

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // nginx would hold events back until its buffer is full.
  'x-accel-buffering': 'no',
}

export function seatChangeRoutes(ports: Ports): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/performances/:performanceId/seat-changes',
      operation: watchSeats,
      handler: (c) => watch(ports, c),
    },
  ]
}

async function watch(ports: Ports, c: RequestContext): Promise<Answer | Response> {
  const { seatFeed } = ports
  if (seatFeed === undefined) {
    return problem(
      'not-offered',
      'There is no long-lived process here. Ask for the seats now and then instead.',
    )
  }
  const performanceId = idSchema.safeParse(c.req.param('performanceId'))
  if (!performanceId.success) return notFound()
  if (seatFeed.isFull()) return full()
  const times = await ports.mysql.ask((knex) => performanceTimes(knex, performanceId.data))
  if (times === undefined) return notFound()
  // Hono would throw the stream of a HEAD away without ending it.
  if (c.req.method === 'HEAD') return new Response(null, { headers: HEADERS })
  const stream = await seatFeed.open(performanceId.data, c.req.header('last-event-id'))
  if (stream === undefined) {
    return seatFeed.isFull()
      ? full()
      : unavailable('What becomes of the seats cannot be followed at the moment.')
  }
  stream.endWith(ports.clientOf(c))
  return new Response(stream.body, { headers: HEADERS })
}

function full(): Answer {
  return problem(
    'streams-exhausted',
    'As many streams are open as this server takes. Try again, or elsewhere.',
    {
      headers: { 'retry-after': ROOM_AFTER_SECONDS },
    },
  )
}
