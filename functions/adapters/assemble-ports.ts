import { randomBytes } from 'node:crypto'
import type { FunctionConfig } from '../../shared/config.ts'
import type { FrontrowError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { defineScripts } from '../../shared/redis/scripts.ts'
import { acceptBookings } from '../accept-together.ts'
import { signallingClient } from '../client.ts'
import { createIdentify } from '../identity.ts'
import { createMetrics } from '../metrics.ts'
import { createMysqlGate } from '../mysql-gate.ts'
import type { Platform } from '../platform.ts'
import type { Ports } from '../ports.ts'
import { readOutcomes } from '../read-outcome.ts'
import { shardBatches } from '../shard-batches.ts'
import { TopologyKeeper, type Placement } from '../topology-keeper.ts'
import { turnsEnd, type AtTurnsEnd } from '../turns-end.ts'
import { Waiters } from '../waiters.ts'
import type { Connections } from './connections.ts'

/** What lasts as long as an instance, whatever becomes of its connections. */
export type Instance = Pick<
  Ports,
  'clock' | 'docsAsset' | 'identify' | 'log' | 'metrics' | 'newExchangeId' | 'platform' | 'waiters'
> & {
  readonly config: FunctionConfig
}

/** @param docsAsset undefined where no files come along */
export function createInstance(
  config: FunctionConfig,
  log: Log,
  platform: Platform,
  docsAsset?: Ports['docsAsset'],
): Instance {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
  return {
    config,
    log,
    platform,
    clock,
    identify: createIdentify(config.auth, clock.nowMs),
    metrics: createMetrics({ ofProcess: platform.longLived }),
    newExchangeId: exchangeIds(),
    docsAsset,
    // Nobody is heard from: outcomes are looked for.
    waiters: new Waiters(undefined, config.maxWaiters),
  }
}

interface Circumstances {
  readonly isStopping?: Ports['isStopping']
  /** The database has another topology than this instance was told. */
  readonly onDiffers: (error: FrontrowError) => void
  /** A topology that was loaded over other connections. */
  readonly placement?: Placement | undefined
}

/** The ports of an instance over these connections. Once per client of Redis. */
export function assemblePorts(
  instance: Instance,
  { redis, knex }: Omit<Connections, 'close'>,
  { isStopping, onDiffers, placement }: Circumstances,
): Ports {
  const { config, clock, log, platform } = instance
  const mysql = createMysqlGate(knex, log)
  const topology = new TopologyKeeper({ config, mysql, redis, nowMs: () => clock.nowMs(), log, onDiffers })
  topology.current = placement
  const scripts = defineScripts(redis)
  // Elsewhere a connection has one request at a time: there is nothing to gather. Called as a method of
  // something else, which is how it would be if it were handed on itself, `queueMicrotask` throws in workerd.
  const atTurnsEnd: AtTurnsEnd = platform.longLived
    ? turnsEnd(redis)
    : (act) => {
        queueMicrotask(act)
      }
  return {
    ...instance,
    mysql,
    redis,
    scripts,
    acceptBooking: shardBatches(redis, atTurnsEnd, acceptBookings({ scripts, limits: config })),
    readOutcome: shardBatches(redis, atTurnsEnd, readOutcomes(redis)),
    topology,
    clientOf: signallingClient,
    limits: config,
    corsOrigins: config.corsOrigins,
    seatFeed: undefined,
    isStopping: isStopping ?? (() => false),
  }
}

/** Ids for HTTP exchanges: unique by the random part, cheap by the counter. */
function exchangeIds(): () => string {
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}
