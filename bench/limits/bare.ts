import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { serverOptions } from '../../functions/adapters/node-http.ts'

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

const listener = getRequestListener(app.fetch)
const server = createServer(
  serverOptions({ requestTimeoutMs: 10_000 }),
  (request, response) => void listener(request, response),
)
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }))
})
for (const event of ['SIGTERM', 'disconnect'] as const) process.on(event, () => process.exit(0))
