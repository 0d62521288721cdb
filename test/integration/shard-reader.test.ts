import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { ShardReader } from '../../consumer/shard-reader.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { until } from '../support/until.ts'

describe('a reader', () => {
  const stream = `reader-${randomBytes(6).toString('hex')}`
  let redis: ReturnType<typeof connectRedis>
  let reader: ShardReader
  let nowMs = 0

  beforeEach(async () => {
    redis = connectRedis({ url: inject('redisUrl'), tlsCaFile: undefined }, 'read', () => undefined)
    reader = new ShardReader(
      redis,
      redis,
      () => stream,
      () => nowMs,
    )
    await until(() => redis.status === 'ready')
    await redis.xadd(stream, '9-0', 'a', '1')
    expect(await read()).toEqual(['9-0'])
    // Another copy of Redis took over, in which ids begin again.
    await redis.del(stream)
    await redis.xadd(stream, '1-0', 'a', '1')
  })
  afterEach(async () => {
    await redis.del(stream)
    redis.disconnect()
  })

  async function read(): Promise<string[]> {
    const found: string[] = []
    await reader.read({ partitions: [0], limit: 10, inFlight: 0, blockMs: 0 }, ({ id }) => {
      found.push(id)
      return true
    })
    return found
  }

  it('begins at the start once a second, however busy it is', async () => {
    expect(await read()).toEqual([])
    nowMs += 1_000
    expect(await read()).toEqual(['1-0'])
    expect(await read()).toEqual([])
  })

  it('begins at the start on a new connection', async () => {
    redis.disconnect(true)
    await until(() => redis.status !== 'ready')
    await until(() => redis.status === 'ready')
    expect(await read()).toEqual(['1-0'])
  })
})
