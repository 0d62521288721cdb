import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { inject } from 'vitest'
import { platforms, type Platform } from '../../functions/platform.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import type { Topology } from '../../shared/placement.ts'
import { redisKeys, type RedisKeys } from '../../shared/redis/keys.ts'
import { ensureTopology } from '../../shared/topology.ts'
import type { StartHost } from './platforms/host.ts'
import { JWT_SECRET, tokenFor } from './tokens.ts'
import { until } from './until.ts'

export { until }

/** An answer, read to its end. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface Ask {
  readonly method?: string
  /** Customer to ask as. */
  readonly as?: string
  readonly scope?: string
  readonly json?: unknown
  readonly body?: RequestInit['body']
  readonly headers?: Readonly<Record<string, string>>
}

export interface Wish {
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the functions of a test run. */
    platform: Platform['name']
  }
}

/** Loaded when they are needed: what one takes to load, no run on another has to pay. */
const hosts: Record<Platform['name'], () => Promise<StartHost>> = {
  node: async () => (await import('./platforms/on-node.ts')).startOnNode,
  lambda: async () => (await import('./platforms/on-lambda.ts')).startOnLambda,
  workers: async () => (await import('./platforms/on-workers.ts')).startOnWorkers,
}

/** A function server of a test file's own, on the platform that the run is for, and a way to look behind it. */
export interface FunctionServer {
  readonly platform: Platform
  readonly url: string
  /** Straight to the server's Redis and MySQL, whatever stands between them and it. */
  readonly redis: Redis
  readonly knex: Knex
  readonly topology: Topology
  readonly keys: RedisKeys
  readonly ask: (path: string, ask?: Ask) => Promise<Answered>
  /** `POST /bookings`, with a new key unless one is given. */
  readonly book: (customer: string, wish: Wish, key?: string) => Promise<Answered>
  /** All that it has logged until now. */
  readonly logged: () => string
  readonly stop: () => Promise<void>
}

export interface ServerOptions {
  readonly databaseUrl: string
  /** How the server itself reaches its servers, where it is not directly. */
  readonly through?: { readonly redisUrl?: string; readonly databaseUrl?: string }
  readonly settings?: Readonly<Record<string, string>>
  /** Do not wait until it is ready. */
  readonly unready?: boolean
}

export async function startFunctionServer(options: ServerOptions): Promise<FunctionServer> {
  const { through = {}, settings = {} } = options
  const keyPrefix = settings['REDIS_KEY_PREFIX'] ?? `t${randomBytes(6).toString('hex')}`
  const environment = {
    REDIS_URL: through.redisUrl ?? inject('redisUrl'),
    DATABASE_URL: through.databaseUrl ?? options.databaseUrl,
    REDIS_KEY_PREFIX: keyPrefix,
    ...(settings['AUTH_JWKS_URL'] === undefined ? { AUTH_JWT_SECRET: JWT_SECRET } : {}),
    ...settings,
  }
  const redis = new Redis(inject('redisUrl'), { protocol: 2 })
  const knex = connectMysql({ url: options.databaseUrl, tlsCaFile: undefined }, 'read', 2)
  const unset = { shards: undefined, partitionsPerShard: undefined }
  const topology = await ensureTopology(knex, unset, Date.now())
  const platform = platforms[inject('platform')]
  const start = await hosts[platform.name]()
  const host = await start(environment)
  const { url } = host
  const ask = asker(url)
  if (options.unready !== true) await until(async () => (await ask('/readyz')).status === 200)
  return {
    platform,
    url,
    redis,
    knex,
    topology,
    keys: redisKeys(keyPrefix, topology),
    ask,
    book: (as, json, key = randomBytes(8).toString('hex')) =>
      ask('/bookings', { method: 'POST', as, json, headers: { 'idempotency-key': key } }),
    logged: () => host.logged(),
    async stop() {
      await host.stop()
      redis.disconnect()
      await knex.destroy()
    },
  }
}

/** Asks a server by its URL. */
export function asker(url: string): FunctionServer['ask'] {
  return async (path, { method = 'GET', as, scope, json, body, headers = {} } = {}) => {
    const token = as === undefined ? undefined : await tokenFor(as, scope === undefined ? {} : { scope })
    const sent = json === undefined ? body : JSON.stringify(json)
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined || sent === null ? {} : { body: sent, duplex: 'half' }),
    })
    const text = await response.text()
    const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== ''
    const parsed = isJson ? (JSON.parse(text) as Answered['body']) : {}
    return { status: response.status, headers: response.headers, text, body: parsed }
  }
}
