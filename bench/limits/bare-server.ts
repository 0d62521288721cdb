import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { Redis } from 'ioredis'
import { serverOptions } from '../../functions/adapters/node-http.ts'
import { plainStream } from './plain-streams.ts'

/**
 * The least that a function server could do: Hono answers a little JSON on the same server with the same options. Nothing
 * is checked, nothing is kept.
 */
const app = new Hono()
app.get('/bare', (c) => c.json({ requestId: 'none', status: 'PENDING' }))
app.post('/bare', async (c) => {
  const body: unknown = await c.req.json()
  return c.json({ requestId: 'none', status: typeof body })
})

/**
 * A booking as one takes it in ten lines: the body goes onto its section's stream as it is, and is answered when Redis has
 * it. Nobody is asked who they are, nothing is validated, nothing is remembered: a retry books twice. What an accept costs
 * more than this is the price of what it promises.
 */
const redis = new Redis(process.env['REDIS_URL'] ?? '', { enableAutoPipelining: true })
let requests = 0
app.post('/bookings', async (c) => {
  const text = await c.req.text()
  const { sectionId } = JSON.parse(text) as { readonly sectionId: string }
  const requestId = (requests++).toString(16).padStart(36, '0')
  await redis.xadd(plainStream(sectionId), '*', requestId, text)
  return c.json({ requestId, status: 'PENDING' }, 202, { location: `/bookings/${requestId}` })
})

const listener = getRequestListener(app.fetch)
const server = createServer(
  serverOptions({ requestTimeoutMs: 10_000 }),
  (request, response) => void listener(request, response),
)
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }))
})
for (const event of ['SIGTERM', 'disconnect'] as const) process.on(event, () => process.exit(0))
