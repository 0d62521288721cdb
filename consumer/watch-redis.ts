import type { Redis } from 'ioredis'
import { errorFields, type Log } from '../shared/log.ts'
import type { Topology } from '../shared/placement.ts'
import { redisKeys, type RedisKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import { publishTopology } from '../shared/topology.ts'
import type { ConsumerMetrics } from './metrics.ts'
import type { RedisIdentity } from './redis-identity.ts'

export interface RedisWatch {
  readonly redis: Redis
  readonly scripts: Scripts
  /** Looked at each time, where somebody wants to know it: a server may become another one without breaking connections. */
  readonly identity: RedisIdentity | undefined
  readonly keyPrefix: string
  readonly topology: Topology
  readonly metrics: ConsumerMetrics
  readonly log: Log
  readonly owned: () => readonly { readonly shard: number; readonly partitions: readonly number[] }[]
}

const WATCH_MS = 1_000

/** Share of `maxmemory` from which no new request is accepted: what is left is for deciding those that were. */
const MEMORY_RESERVE = 0.9

/** How long a sign of pressure outlives the consumer that set it, in milliseconds. */
const PRESSURE_TTL_MS = 5_000

/**
 * Once a second: puts the topology's marks back if Redis lost them, says on every shard when memory is short, and
 * measures the backlogs. Nothing rests on it being in time.
 *
 * @returns ends the watch
 */
export function watchRedis(watch: RedisWatch): () => void {
  const keys = redisKeys(watch.keyPrefix, watch.topology)
  let busy = false
  const look = async (): Promise<void> => {
    if (busy || watch.redis.status !== 'ready') return
    busy = true
    try {
      await watch.identity?.look()
      await publishTopology(watch.redis, watch.keyPrefix, watch.topology)
      await signalPressure(watch, keys)
      await measureBacklogs(watch, keys)
    } catch (error) {
      watch.log.debug(errorFields(error), 'watching redis failed')
    } finally {
      busy = false
    }
  }
  const timer = setInterval(() => void look(), WATCH_MS)
  watch.redis.on('ready', () => void look())
  void look()
  return () => {
    clearInterval(timer)
  }
}

async function signalPressure({ redis, topology, log }: RedisWatch, keys: RedisKeys): Promise<void> {
  const signs = Array.from({ length: topology.shards }, (_, shard) => keys.pressure(shard))
  const info = await redis.info('memory')
  const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0)
  const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
  if (limit === 0 || used < limit * MEMORY_RESERVE) return removeStaleSigns(redis, signs)
  log.warn({ used, limit }, 'redis is short of memory: new requests are refused')
  for (const sign of signs) await redis.set(sign, '1', 'PX', PRESSURE_TTL_MS)
}

/** A sign that outlives its time was set by a clock that has been put back since. Others end by themselves. */
async function removeStaleSigns(redis: Redis, signs: readonly string[]): Promise<void> {
  for (const sign of signs) {
    if ((await redis.pttl(sign)) > PRESSURE_TTL_MS) await redis.del(sign)
  }
}

/** Streams that one script looks at: bounds how long Redis serves nobody else, to less than a millisecond. */
const STREAMS_PER_SCRIPT = 256

async function measureBacklogs({ scripts, metrics, owned }: RedisWatch, keys: RedisKeys): Promise<void> {
  // A partition that moved away must not keep its last figure.
  metrics.backlog.reset()
  metrics.oldest.reset()
  const nowMs = Date.now()
  for (const { shard, partitions } of owned()) {
    for (let from = 0; from < partitions.length; from += STREAMS_PER_SCRIPT) {
      const some = partitions.slice(from, from + STREAMS_PER_SCRIPT)
      const streams = some.map((number) => keys.stream({ shard, number }))
      const measured = await scripts.measureStreams(streams, [])
      some.forEach((number, i) => {
        const partition = `${shard}/${number}`
        const acceptedMs = Number.parseInt(String(measured[2 * i + 1]), 10)
        metrics.backlog.set({ partition }, Number(measured[2 * i]))
        metrics.oldest.set(
          { partition },
          Number.isNaN(acceptedMs) ? 0 : Math.max(0, nowMs - acceptedMs) / 1_000,
        )
      })
    }
  }
}
