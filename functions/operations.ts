import { Answer } from './answer.ts'
import type { Route } from './exchange.ts'
import * as described from './openapi/describe-operations.ts'
import type { Ports } from './ports.ts'

/** Probes must answer quickly even if what they probe does not. */
const PROBE_MS = 500

type Check = 'ok' | 'away' | 'stopping'

export function operationRoutes(ports: Ports): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/livez',
      operation: described.livez,
      handler: () => new Answer(200, { status: 'ok' }),
    },
    { method: 'GET', pattern: '/readyz', operation: described.readyz, handler: () => readiness(ports) },
    { method: 'GET', pattern: '/metrics', operation: described.metrics, handler: () => metrics(ports) },
  ]
}

/** Ready is who can accept: Redis and the topology decide. MySQL is reported only, because accepts go on without it. */
async function readiness(ports: Ports): Promise<Answer> {
  const [mysql, topology] = await Promise.all([mysqlCheck(ports), topologyCheck(ports)])
  const redis: Check = ports.redis.status === 'ready' ? 'ok' : 'away'
  const process: Check = ports.isStopping() ? 'stopping' : 'ok'
  const ready = redis === 'ok' && topology === 'ok' && process === 'ok'
  return new Answer(ready ? 200 : 503, {
    status: ready ? 'ok' : 'unavailable',
    checks: { redis, mysql, topology, process },
  })
}

async function mysqlCheck(ports: Ports): Promise<Check> {
  try {
    await ports.mysql.ask((knex) => knex.raw('SELECT 1'), PROBE_MS)
    return 'ok'
  } catch {
    return 'away'
  }
}

async function topologyCheck(ports: Ports): Promise<Check> {
  return (await ports.topology.get()) === undefined ? 'away' : 'ok'
}

async function metrics(ports: Ports): Promise<Response> {
  return new Response(await ports.metrics.text(), { headers: { 'content-type': ports.metrics.contentType } })
}
