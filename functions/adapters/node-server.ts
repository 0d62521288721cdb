import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { getRequestListener } from '@hono/node-server'
import type { FunctionConfig } from '../../shared/config.ts'
import type { FrontrowError } from '../../shared/errors.ts'
import { errorFields, type Log } from '../../shared/log.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { defineScripts } from '../../shared/redis/scripts.ts'
import { createApp } from '../app.ts'
import { writesGatherer } from '../gather-writes.ts'
import { createIdentify } from '../identity.ts'
import { createMetrics } from '../metrics.ts'
import { createMysqlGate } from '../mysql-gate.ts'
import type { Ports } from '../ports.ts'
import { problem } from '../problem.ts'
import { SeatFeed } from '../seat-feed.ts'
import { TopologyKeeper } from '../topology-keeper.ts'
import { Waiters } from '../waiters.ts'
import { nodeDocsAsset } from './node-docs.ts'
import { answerUnreadable, serverOptions } from './node-http.ts'
import { RedisReplies } from './redis-replies.ts'

/** Connections to MySQL: it serves reads only, and never an accept. */
const MYSQL_CONNECTIONS = 10
/** How often a server without a topology tries to load one. */
const TOPOLOGY_RETRY_MS = 1_000
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
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
  const redis = connectRedis(config.redis, 'accept', (error) => {
    log.warn(errorFields(error), 'redis')
  })
  const knex = connectMysql(config.mysql, 'read', MYSQL_CONNECTIONS)
  const mysql = createMysqlGate(knex, log)
  const topology = new TopologyKeeper({ config, mysql, redis, nowMs: clock.nowMs, log, onDiffers })
  const replies = new RedisReplies(
    connectRedis(config.redis, 'subscribe', (error) => {
      log.debug(errorFields(error), 'redis subscriber')
    }),
    topology,
    log,
  )
  const waiters = new Waiters(replies, config.maxWaiters)
  const seatFeed = new SeatFeed({
    connectReader: () =>
      connectRedis(config.redis, 'read', (error) => {
        log.debug(errorFields(error), 'redis reader')
      }),
    redis,
    topology,
    log,
    limit: config.maxEventStreams,
  })
  const ports: Ports = {
    mysql,
    redis,
    gatherWrites: writesGatherer(redis),
    scripts: defineScripts(redis),
    topology,
    waiters,
    seatFeed,
    identify: createIdentify(config.auth, clock.nowMs),
    clock,
    log,
    metrics: createMetrics(),
    limits: config,
    corsOrigins: config.corsOrigins,
    docsAsset: nodeDocsAsset(),
    newExchangeId: exchangeIds(),
    isStopping: () => stopping,
  }
  const closeClients = async (): Promise<void> => {
    clearInterval(retry)
    replies.close()
    seatFeed.close()
    redis.disconnect()
    await knex.destroy()
  }
  const loadTopology = (): void => {
    if (topology.current === undefined) void topology.load().then(() => replies.keepUp())
  }
  const retry = setInterval(loadTopology, TOPOLOGY_RETRY_MS)
  const listener = getRequestListener(createApp(ports).fetch, { errorHandler: unreadable(ports) })
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
      waiters.close()
      seatFeed.close()
      await drain(server)
      await closeClients()
      log.info('stopped')
    },
  }
}

function listen(server: Server, { host, port }: FunctionConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
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

/** Ids for HTTP exchanges: unique by the random part, cheap by the counter. */
function exchangeIds(): () => string {
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}

/** The answer to requests that do not even reach the application: an impossible Host header, an impossible path. */
function unreadable(ports: Ports): () => Response {
  return () => {
    const { status, headers, body } = problem(
      'bad-request',
      'The request line or the Host header makes no sense.',
    )
    return new Response(JSON.stringify(body), {
      status,
      headers: { ...headers, 'x-request-id': ports.newExchangeId() },
    })
  }
}
