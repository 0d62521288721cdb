import { readFileSync } from 'node:fs'
import { Redis, type RedisOptions } from 'ioredis'
import type { RedisConfig } from '../config.ts'

/**
 * What a connection is for; each role fails in its own way.
 * - `accept`: answers within `commandTimeout` or not at all; sends a command at once or never, and once only. A
 *   resent one would be answered by a Redis that may refuse by then (full, read-only) what the first sending did, and
 *   one whose caller has long been answered could still be carried out. `functions/run-on-shard.ts` runs it again
 *   where that is safe. A silent connection is given up, so that callers hear `not ready` instead of waiting.
 * - `work`: the consumer's own commands. Resends a command whose reply was lost: the scripts may run twice.
 * - `lock`: redlock's, which waits for ever for a Redis that hangs: gives up soon, and never asks twice.
 * - `subscribe`: hears of outcomes. Whoever has it subscribes anew on every `ready`; what was sent meanwhile is lost.
 * - `read`: blocking reads. Neither resends nor queues: a resent XREAD with an old cursor waits for ever.
 */
export type RedisRole = 'accept' | 'work' | 'lock' | 'subscribe' | 'read'

/** Longest time a blocking XREAD waits, in milliseconds. */
export const READ_BLOCK_MS = 500

const roleOptions: Record<
  RedisRole,
  Pick<
    RedisOptions,
    | 'commandTimeout'
    | 'maxRetriesPerRequest'
    | 'autoResendUnfulfilledCommands'
    | 'autoResubscribe'
    | 'socketTimeout'
  >
> = {
  accept: {
    commandTimeout: 2_000,
    socketTimeout: 3_000,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  },
  work: { commandTimeout: 5_000, socketTimeout: 6_000, maxRetriesPerRequest: 1 },
  lock: {
    commandTimeout: 500,
    socketTimeout: 3_000,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  },
  // Asked to answer now and then: a silent connection is given up, and another one subscribes.
  subscribe: {
    commandTimeout: 5_000,
    socketTimeout: 5_000,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  },
  read: {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: READ_BLOCK_MS + 2_000,
    socketTimeout: READ_BLOCK_MS + 2_500,
  },
}

/**
 * A client for one role. It reconnects for ever by itself; `onError` hears each failed attempt (without
 * a listener ioredis writes to the console).
 *
 * @throws if the certificate file of the configuration cannot be read
 */
export function connectRedis(config: RedisConfig, role: RedisRole, onError: (error: Error) => void): Redis {
  const redis = new Redis(config.url, {
    ...roleOptions[role],
    // RESP2: the answers of XREAD have one shape, whichever way they are asked for.
    protocol: 2,
    connectionName: `frontrow-${role}`,
    connectTimeout: 5_000,
    enableOfflineQueue: false,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt - 1, 5), 1_000),
    ...(config.tlsCaFile === undefined ? {} : { tls: { ca: readFileSync(config.tlsCaFile) } }),
  })
  redis.on('error', onError)
  return redis
}

/** Waits until a client is ready, for `timeoutMs` at most. @throws Error naming no credentials if it is not by then */
export async function redisReady(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return
  await new Promise<void>((resolve, reject) => {
    const ready = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      redis.off('ready', ready)
      reject(new Error(`Redis did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    redis.once('ready', ready)
  })
}
