import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { FunctionConfig } from '../../shared/config.ts'
import type { FrontrowError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { createApp } from '../app.ts'
import { platforms } from '../platform.ts'
import { assemblePorts, createInstance } from './assemble-ports.ts'
import { connect } from './connections.ts'
import { listenLive } from './listen-live.ts'
import { connectedClient } from './node-client.ts'
import { nodeDocsAsset } from './node-docs.ts'
import { answerUnreadable, serverOptions } from './node-http.ts'
import { unreadable } from './unreadable.ts'

/** Connections to MySQL: it serves reads only, and never an accept. */
const MYSQL_CONNECTIONS = 10
/** How often a server without a topology tries to load one. */
const TOPOLOGY_RETRY_MS = 1_000
/**
 * Connections that the kernel keeps while this process is busy. A sale opens with thousands at once; beyond Node's own 511
 * a client's first packet is dropped, and it tries again a second later. The system may set a lower bound.
 */
const LISTEN_BACKLOG = 4_096
/** How often a stopping server looks for connections that have become idle. */
const IDLE_SWEEP_MS = 25
/** How long a stopping server waits for requests in flight: longer than any of them may take. */
const DRAIN_MS = 10_000

export interface NodeServer {
  readonly port: number
  /** Stops accepting, finishes what is in flight, closes the clients. A second call does not wait any longer. */
  stop(): Promise<void>
}

interface Options {
  readonly config: FunctionConfig
  readonly log: Log
  /** The database has another topology than this process was told. It must end. */
  readonly onDiffers: (error: FrontrowError) => void
}

/**
 * Serves the application over HTTP. Starts whether or not Redis and MySQL are there: readiness tells.
 *
 * @throws if it cannot listen, or a certificate file cannot be read
 */
export async function startNodeServer({ config, log, onDiffers }: Options): Promise<NodeServer> {
  let stopping = false
  const instance = createInstance(config, log, platforms.node, nodeDocsAsset())
  const connections = connect(instance, MYSQL_CONNECTIONS)
  const alone = assemblePorts(instance, connections, { isStopping: () => stopping, onDiffers })
  const live = listenLive(instance, alone)
  const ports = { ...alone, waiters: live.waiters, seatFeed: live.seatFeed, clientOf: connectedClient }
  const { topology } = ports
  const closeClients = async (): Promise<void> => {
    clearInterval(retry)
    live.close()
    await connections.close()
  }
  const loadTopology = (): void => {
    if (topology.current === undefined) void topology.load().then(() => live.keepUp())
  }
  const retry = setInterval(loadTopology, TOPOLOGY_RETRY_MS)
  const listener = getRequestListener(createApp(ports).fetch, { errorHandler: () => unreadable(ports) })
  const server = createServer(serverOptions(config), (request, response) => void listener(request, response))
  answerUnreadable(server, ports)
  try {
    await listen(server, config)
  } catch (error) {
    await closeClients()
    throw error
  }
  loadTopology()
  const { port } = server.address() as AddressInfo
  log.info({ host: config.host, port }, 'listening')
  return {
    port,
    async stop() {
      if (stopping) {
        server.closeAllConnections()
        return
      }
      stopping = true
      log.info('stopping')
      live.letGo()
      await drain(server)
      await closeClients()
      log.info('stopped')
    },
  }
}

function listen(server: Server, { host, port }: FunctionConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Ends each connection as soon as it has nothing in flight: the requests on it, not its keep-alive, are worth waiting for. */
async function drain(server: Server): Promise<void> {
  const sweep = setInterval(() => {
    server.closeIdleConnections()
  }, IDLE_SWEEP_MS)
  const deadline = setTimeout(() => {
    server.closeAllConnections()
  }, DRAIN_MS)
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  clearInterval(sweep)
  clearTimeout(deadline)
}
