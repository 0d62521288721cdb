import { Hono } from 'hono'
import { bookingRoutes } from './bookings.ts'
import { documentationRoutes } from './documentation.ts'
import { exchangeOf, type Handler, type Route } from './exchange.ts'
import { operationRoutes } from './operations.ts'
import { performanceRoutes } from './performances.ts'
import type { Ports } from './ports.ts'
import { problem } from './problem.ts'
import { seatChangeRoutes } from './seat-changes.ts'
import { seatRoutes } from './seats.ts'

/** The application: all routes, on whatever platform hands in the ports. */
export function createApp(ports: Ports): Hono {
  const app = new Hono()
  const routes: Route[] = [
    ...bookingRoutes(ports),
    ...performanceRoutes(ports),
    ...seatRoutes(ports),
    ...seatChangeRoutes(ports),
    ...operationRoutes(ports),
  ]
  routes.push(...documentationRoutes(ports, routes.slice()))
  for (const [pattern, handlers] of byPattern(routes)) app.all(pattern, dispatcher(ports, pattern, handlers))
  app.notFound(exchangeOf(ports, 'none', () => problem('not-found', 'There is no such path.')))
  return app
}

type Handlers = ReadonlyMap<string, Handler>

function byPattern(routes: readonly Route[]): Map<string, Handlers> {
  const patterns = new Map<string, Map<string, Handler>>()
  for (const { method, pattern, handler } of routes) {
    const handlers = patterns.get(pattern) ?? new Map<string, Handler>()
    handlers.set(method, handler)
    // Hono takes the body off what GET answers.
    if (method === 'GET') handlers.set('HEAD', handler)
    patterns.set(pattern, handlers)
  }
  return patterns
}

/** One handler a pattern, whatever the method: Hono calls a single handler directly and chains several. */
function dispatcher(ports: Ports, pattern: string, handlers: Handlers): ReturnType<typeof exchangeOf> {
  const allow = [...handlers.keys()].join(', ')
  const refusal = problem('method-not-allowed', `This resource has ${allow}.`, { headers: { allow } })
  return exchangeOf(ports, pattern, (c, exchange) => {
    const handler = handlers.get(c.req.method)
    return handler === undefined ? refusal : handler(c, exchange)
  })
}
