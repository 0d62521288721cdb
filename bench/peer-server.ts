import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { serverOptions } from '../functions/adapters/node-http.ts'
import { functionConfig } from '../shared/config.ts'
import { createPeerApp } from './peers/app.ts'
import { Catalogue } from './peers/catalogue.ts'
import { connectPool } from './peers/database.ts'
import { endOnSignal } from './peers/end-on-signal.ts'
import { peers } from './peers/peers.ts'

/** As many as the product keeps. */
const LISTEN_BACKLOG = 4_096
const READ_CONNECTIONS = 8

/**
 * `node dist/bench-peer.mjs NAME`: a peer's HTTP server, with the product's environment. Says `{"port":N}` when it
 * listens.
 */
const name = process.argv[2] ?? ''
const create = peers[name]
if (create === undefined) {
  console.error(`Usage: bench-peer.mjs ${Object.keys(peers).join(' | ')}`)
  process.exit(2)
}
const config = functionConfig(process.env)
const peer = create(config)
const pool = connectPool(config.mysql.url, READ_CONNECTIONS)
const catalogue = new Catalogue(pool)
await catalogue.loadAll()
const listener = getRequestListener(createPeerApp(peer, catalogue, pool, config.auth).fetch)
const server = createServer(serverOptions(config), (request, response) => void listener(request, response))
server.listen({ host: config.host, port: config.port, backlog: LISTEN_BACKLOG }, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }))
})
endOnSignal(async () => {
  server.close()
  server.closeIdleConnections()
  await peer.close()
  await pool.end()
})
