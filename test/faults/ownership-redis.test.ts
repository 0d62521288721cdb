import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import type { Topology } from '../../shared/placement.ts'
import { membershipKeys, type MembershipKeys } from '../../shared/redis/keys.ts'
import { Deployment } from '../support/deployment.ts'
import { canHaveOwnServers, ownFolder, startOwnRedis } from '../support/own-servers.ts'
import { storedMaps, untilShared, type StoredMap } from '../support/ownership.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { until } from '../support/until.ts'

const topology: Topology = { version: 1, shards: 2, partitionsPerShard: 4 }

const HEARTBEAT_MS = 200
const MEMBER_TIMEOUT_MS = 1_200
/** 10 s until they count as stuck, and 5 s in which that lasts. */
const LONGER_THAN_LOOPS_MAY_STAND_STILL_MS = 18_000
const settings = {
  HEARTBEAT_MS: String(HEARTBEAT_MS),
  MEMBER_TIMEOUT_MS: String(MEMBER_TIMEOUT_MS),
  SHARDS: String(topology.shards),
  PARTITIONS_PER_SHARD: String(topology.partitionsPerShard),
}

describe.skipIf(!canHaveOwnServers())('what Redis knows of the consumers may go', () => {
  let redis: PrivateServer
  let deployment: Deployment
  let url: string
  let keys: MembershipKeys
  let consumers: BundleProcess[]
  let sale: SteadySale
  let sales = 0
  let before: readonly StoredMap[]

  beforeAll(async () => {
    const folder = ownFolder()
    redis = await startOwnRedis(folder)
    deployment = await Deployment.on({ redisUrl: redis.url, databaseUrl: inject('databaseUrl') }, folder)
    keys = membershipKeys(deployment.keyPrefix, { version: 1 })
    url = (await deployment.startFunctions({ settings })).url
    consumers = [await deployment.startConsumer({ settings }), await deployment.startConsumer({ settings })]
  })
  afterAll(async () => {
    await deployment.end()
    await redis.stop()
  })
  beforeEach(async () => {
    await untilShared(deployment, consumers)
    before = await storedMaps(deployment)
    sale = await SteadySale.open(deployment, { url, topology, name: `sale-${++sales}` })
    await until(() => sale.accepted > 20)
  })
  afterEach(async () => {
    // Membership and rebalance go on: one joins, and one leaves.
    consumers.push(await deployment.startConsumer({ settings }))
    await untilShared(deployment, consumers)
    await consumers.shift()?.stop()
    const accepted = sale.accepted
    await until(() => sale.accepted > accepted + 20, 20_000)
    expect(await sale.close()).toEqual([])
  })

  /** The maps that were stored since this test began; what was there before is as it was. */
  async function mapsSince(): Promise<readonly StoredMap[]> {
    const maps = await storedMaps(deployment)
    expect(maps.slice(0, before.length)).toEqual(before)
    return maps.slice(before.length)
  }

  it('the members’ beats, and nobody is taken for dead', async () => {
    await deployment.redis.del(keys.beats)
    await sleep(1.5 * MEMBER_TIMEOUT_MS)
    expect(await mapsSince()).toEqual([])
  })

  it('the broadcast maps, and a new one is heard all the same', async () => {
    await deployment.redis.del(keys.maps)
    consumers.push(await deployment.startConsumer({ settings }))
    await untilShared(deployment, consumers)
    expect((await mapsSince()).map(({ reason }) => reason)).toEqual(['join'])
  })

  it('all of it, while somebody joins: generations only grow', async () => {
    const joining = deployment.startConsumer({ settings })
    for (let i = 0; i < 10; i++) {
      await deployment.redis.del(keys.beats, keys.maps, keys.lock)
      await sleep(HEARTBEAT_MS)
    }
    consumers.push(await joining)
    await untilShared(deployment, consumers)
    await mapsSince()
  })

  it('all of it for a while, when Redis is killed and started again, and nobody is taken for dead', async () => {
    await redis.kill()
    await sleep(2 * MEMBER_TIMEOUT_MS)
    await redis.start()
    await untilShared(deployment, consumers)
    await Promise.all(consumers.map((consumer) => consumer.ready()))
    await sleep(MEMBER_TIMEOUT_MS)
    expect(await mapsSince()).toEqual([])
  })

  it('all of it for longer than a loop may stand still, and who is killed then is replaced all the same', async () => {
    await redis.kill()
    await sleep(LONGER_THAN_LOOPS_MAY_STAND_STILL_MS)
    await redis.start()
    await Promise.all(consumers.map((consumer) => consumer.ready()))
    await consumers.shift()?.kill()
    await untilShared(deployment, consumers)
    expect((await mapsSince()).map(({ reason }) => reason)).toEqual(['expiry'])
  })

  it('nothing of it, although Redis is full: one joins, and one that is killed is replaced', async () => {
    await deployment.redis.config('SET', 'maxmemory', '1mb')
    consumers.push(await deployment.startConsumer({ settings, unready: true }))
    await untilShared(deployment, consumers)
    await consumers.shift()?.kill()
    await untilShared(deployment, consumers)
    await deployment.redis.config('SET', 'maxmemory', '0')
    expect((await mapsSince()).map(({ reason }) => reason)).toEqual(['join', 'expiry'])
  })
})
