import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { RebalanceLock } from '../../shared/rebalance/rebalance-lock.ts'
import { membershipKeys } from '../../shared/redis/keys.ts'
import { Deployment, type House } from '../support/deployment.ts'
import { FakeClock, faketimeForRedis } from '../support/fake-clock.ts'
import type { Wished } from '../support/history.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { canHaveOwnServers, ownFolder, startOwnMysql, startOwnRedis } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { seededRandom } from '../support/random.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 3_600_000
const RATE_LIMIT = 20

const library = canHaveOwnServers() ? await faketimeForRedis() : undefined

describe.skipIf(library === undefined)('a Redis whose clock jumps an hour ahead and back', () => {
  let clock: FakeClock
  let redis: PrivateServer
  let mysql: PrivateServer
  let deployment: Deployment
  let functions: BundleProcess
  let consumer: BundleProcess

  beforeAll(async () => {
    const folder = ownFolder()
    clock = new FakeClock(folder, library ?? '')
    ;[redis, mysql] = await Promise.all([startOwnRedis(folder, { clock }), startOwnMysql(folder)])
    deployment = await Deployment.on({ redisUrl: redis.url, databaseUrl: mysql.url }, folder)
    functions = await deployment.startFunctions({ settings: { RATE_LIMIT: String(RATE_LIMIT) } })
    consumer = await deployment.startConsumer({ settings: { MAX_BATCH: '20' } })
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([redis.stop(), mysql.stop()])
  })

  /** How far Redis is ahead of us, in milliseconds. */
  async function ahead(): Promise<number> {
    const [seconds = 0] = await deployment.redis.time()
    return seconds * 1_000 - Date.now()
  }

  async function jumpAhead(): Promise<void> {
    clock.aheadMs = HOUR_MS
    expect(await ahead()).toBeGreaterThan(HOUR_MS / 2)
  }

  async function jumpBack(): Promise<void> {
    clock.aheadMs = 0
    expect(await ahead()).toBeLessThan(HOUR_MS / 2)
  }

  const houseOf = (performanceId: string): House => ({
    performanceId,
    sectionIds: ['A', 'B', 'C'],
    rows: 20,
    seats: 20,
  })

  async function open(performanceId: string): Promise<Load> {
    await deployment.putHouse(houseOf(performanceId))
    return new Load({
      urls: () => [functions.url],
      house: houseOf(performanceId),
      random: seededRandom(5),
      customers: 4,
    })
  }

  async function close(load: Load): Promise<readonly Wished[]> {
    const history = await load.stop()
    await deployment.settled(15_000)
    expect(await judge({ history, deployment, url: functions.url, clockJumped: true })).toEqual([])
    expect(await consumer.count('frontrow_wrong_memory_total')).toBe(0)
    return history
  }

  async function accepted(load: Load, more: number): Promise<void> {
    const before = load.accepted
    await until(() => load.accepted > before + more)
  }

  async function book(customer: string, performanceId: string, seatId: string): Promise<number> {
    const response = await fetch(`${functions.url}/bookings`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await tokenFor(customer)}`,
        'content-type': 'application/json',
        'idempotency-key': seatId,
      },
      body: JSON.stringify({ performanceId, sectionId: 'A', seatIds: [seatId] }),
    })
    await response.arrayBuffer()
    return response.status
  }

  it('loses nothing, and no partition stands still', async () => {
    const load = await open('jumping')
    await accepted(load, 50)
    await jumpAhead()
    await accepted(load, 50)
    // Some that were accepted before the jump, some in between and some after it lie on the streams together.
    consumer.freeze()
    await accepted(load, 30)
    await jumpBack()
    await accepted(load, 30)
    consumer.wake()
    await accepted(load, 50)
    await close(load)

    const times = (await deployment
      .knex('decisions')
      .where({ section_id: 'A' })
      .orderBy('sequence')
      .pluck('requested_at_us')) as number[]
    const fallsBack = times.some((time, i) => time < (times[i - 1] ?? 0) - (HOUR_MS / 2) * 1_000)
    expect(fallsBack).toBe(true)
  })

  it('says when a request came by its clock, not by its stream, whose ids stay ahead', async () => {
    const performanceId = 'closing'
    await deployment.putHouse(houseOf(performanceId), {
      saleClosesAt: new Date(Date.now() + HOUR_MS / 2).toISOString(),
    })
    const statuses = async (): Promise<string[]> => {
      await deployment.settled(15_000)
      return deployment.knex('decisions').where({ performance_id: performanceId }).pluck('status')
    }
    await jumpAhead()
    expect(await book('alice', performanceId, '1-1')).toBe(202)
    expect(await statuses()).toEqual(['REJECTED'])
    await jumpBack()
    expect(await book('bob', performanceId, '1-1')).toBe(202)
    expect((await statuses()).sort()).toEqual(['CONFIRMED', 'REJECTED'])
  })

  it('keeps no customer out whose rate was measured by the clock that was ahead', async () => {
    await deployment.putHouse(houseOf('rated'))
    const upToTheLimit = async (row: number): Promise<void> => {
      for (let seat = 1; seat <= RATE_LIMIT; seat++) {
        expect(await book('carol', 'rated', `${row}-${seat}`)).toBe(202)
      }
      expect(await book('carol', 'rated', '20-20')).toBe(429)
    }
    await jumpAhead()
    await upToTheLimit(1)
    await jumpBack()
    await upToTheLimit(2)
  })

  it('keeps nobody from rebalancing whose lock was lost under the clock that was ahead', async () => {
    const keys = membershipKeys(deployment.keyPrefix, { version: 1 })
    const lock = new RebalanceLock([deployment.redis], keys)
    await jumpAhead()
    expect(await lock.acquire()).toBeDefined()
    await jumpBack()
    // Nobody gives it back. Whoever finds it removes it, and comes again.
    await until(async () => (await lock.acquire()) !== undefined)
  })

  it('goes on accepting where memory was short by the clock that was ahead', async () => {
    await jumpAhead()
    const load = await open('pressed')
    await accepted(load, 20)
    const info = await deployment.redis.info('memory')
    const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1])
    await deployment.redis.config('SET', 'maxmemory', Math.floor(used * 1.09))
    await until(() =>
      load.history.some(({ attempts }) => attempts.some(({ problem }) => problem === 'overloaded')),
    )
    await jumpBack()
    await deployment.redis.config('SET', 'maxmemory', '0')
    await accepted(load, 20)
    await close(load)
  })
})
