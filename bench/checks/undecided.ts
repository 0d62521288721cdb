import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { redisKeys } from '../../shared/redis/keys.ts'
import { readTopology } from '../../shared/topology.ts'
import { KEY_PREFIX } from '../stage.ts'

const PAGE = 1_000

/** The streams of our deployment. */
async function streamsOf(knex: Knex): Promise<string[]> {
  const topology = await readTopology(knex)
  if (topology === undefined) return []
  const { shards, partitionsPerShard } = topology
  const keys = redisKeys(KEY_PREFIX, topology)
  return Array.from({ length: shards * partitionsPerShard }, (_, i) =>
    keys.stream({ shard: Math.floor(i / partitionsPerShard), number: i % partitionsPerShard }),
  )
}

/** Entries that are not decided yet. */
export async function undecided(redis: Redis, knex: Knex): Promise<number> {
  const streams = await streamsOf(knex)
  const lengths = await Promise.all(streams.map((stream) => redis.xlen(stream)))
  return lengths.reduce((sum, length) => sum + length, 0)
}

/** Waits until everything is decided. @throws Error if it is not in time */
export async function untilSettled(redis: Redis, knex: Knex, timeoutMs = 120_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while ((await undecided(redis, knex)) > 0) {
    if (performance.now() > deadline) throw new Error('not everything was decided in time')
    await delay(20)
  }
}

/** Ids of the requests that lie on the streams, each as often as it does. */
export async function entriesOnStreams(redis: Redis, knex: Knex): Promise<string[]> {
  const ids: string[] = []
  for (const stream of await streamsOf(knex)) {
    for (let from = '-'; ;) {
      const page = await redis.xrange(stream, from, '+', 'COUNT', PAGE)
      for (const [, [id = '']] of page) ids.push(id)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) break
      from = `(${last[0]}`
    }
  }
  return ids
}

/** Decisions so far: the sum of the partitions' places, which costs the database next to nothing to read. */
export async function decided(knex: Knex): Promise<number> {
  const [row] = await knex('partitions').sum<{ n: string | number | null }[]>({ n: 'sequence' })
  return Number(row?.n ?? 0)
}
