import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { createConsumerMetrics } from '../../consumer/metrics.ts'
import { watchRedis } from '../../consumer/watch-redis.ts'
import { createLog } from '../../shared/log.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { redisKeys } from '../../shared/redis/keys.ts'
import { defineScripts } from '../../shared/redis/scripts.ts'
import { until } from '../support/until.ts'

/** More partitions than one look asks for at once. */
const topology = { version: 1, shards: 2, partitionsPerShard: 300 }
const keyPrefix = `backlog-${randomBytes(6).toString('hex')}`
const keys = redisKeys(keyPrefix, topology)

describe("a consumer's figures", () => {
  let redis: ReturnType<typeof connectRedis>
  let stop: () => void = () => undefined

  beforeEach(async () => {
    redis = connectRedis({ url: inject('redisUrl'), tlsCaFile: undefined }, 'work', () => undefined)
    await until(() => redis.status === 'ready')
  })
  afterEach(async () => {
    stop()
    const left = await redis.keys(`${keyPrefix}*`)
    if (left.length > 0) await redis.del(...left)
    redis.disconnect()
  })

  it('say of each partition that it owns how much is undecided, and since when', async () => {
    const ago = (seconds: number): string => `${Date.now() - 1_000 * seconds}-0`
    await redis.xadd(keys.stream({ shard: 0, number: 299 }), ago(60), 'a', '1')
    await redis.xadd(keys.stream({ shard: 0, number: 299 }), ago(30), 'a', '1')
    await redis.xadd(keys.stream({ shard: 1, number: 7 }), ago(5), 'a', '1')
    const metrics = createConsumerMetrics()
    const all = Array.from({ length: 300 }, (_, number) => number)
    let owned = [
      { shard: 0, partitions: all },
      { shard: 1, partitions: [7, 8] },
    ]
    const figures = async (): Promise<unknown> => {
      const [lengths, ages] = [(await metrics.backlog.get()).values, (await metrics.oldest.get()).values]
      return lengths
        .map(({ labels, value }, i) => [labels.partition, value, Math.round(ages[i]?.value ?? -1)])
        .filter(([partition, length]) => length !== 0 || partition === '1/8')
    }
    stop = watchRedis({
      ...{ redis, scripts: defineScripts(redis), keyPrefix, topology, metrics, identity: undefined },
      ...{ log: createLog('test', 'silent'), owned: () => owned },
    })
    await until(async () => (await metrics.backlog.get()).values.length === 302)
    expect(await figures()).toEqual([
      ['0/299', 2, expect.closeTo(60, -1)],
      ['1/7', 1, expect.closeTo(5, -1)],
      ['1/8', 0, 0],
    ])

    // Of a partition that is somebody else's by now nothing is said.
    owned = [{ shard: 1, partitions: [8] }]
    await until(async () => (await metrics.backlog.get()).values.length === 1)
    expect(await figures()).toEqual([['1/8', 0, 0]])
  })
})
