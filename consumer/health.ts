import { Hono } from 'hono'
import type { Consumer } from './consumer.ts'
import type { ConsumerMetrics } from './metrics.ts'

/** A round takes half a second at most when nothing is wrong. */
const STANDSTILL_MS = 10_000

/** `/livez`, `/readyz` and `/metrics` of a consumer. Ready means deciding, or standing by to. */
export function createHealthApp(consumer: Consumer, metrics: ConsumerMetrics): Hono {
  const app = new Hono()
  app.get('/livez', (c) => c.json({ status: 'alive' }))
  app.get('/readyz', async (c) => {
    const readiness = await consumer.readiness()
    const ready =
      readiness.state === 'running' &&
      readiness.redis &&
      readiness.mysql &&
      readiness.standstillMs < STANDSTILL_MS
    return c.json({ status: ready ? 'ready' : 'not ready', ...readiness }, ready ? 200 : 503)
  })
  app.get('/metrics', async (c) =>
    c.text(await metrics.registry.metrics(), 200, { 'Content-Type': metrics.registry.contentType }),
  )
  return app
}
