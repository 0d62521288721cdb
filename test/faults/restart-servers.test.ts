import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { Deployment, type House } from '../support/deployment.ts'
import type { Wished } from '../support/history.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { canHaveOwnServers, ownFolder, startOwnMysql, startOwnRedis } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

/** Longer than a command may take: what was given up on must not be carried out when Redis is back. */
const AWAY_MS = 2_500

describe.skipIf(!canHaveOwnServers())('under load', () => {
  let redis: PrivateServer
  let mysql: PrivateServer
  let deployment: Deployment
  let functions: BundleProcess
  let consumer: BundleProcess

  beforeAll(async () => {
    const folder = ownFolder()
    ;[redis, mysql] = await Promise.all([startOwnRedis(folder), startOwnMysql(folder)])
    deployment = await Deployment.on({ redisUrl: redis.url, databaseUrl: mysql.url }, folder)
    functions = await deployment.startFunctions()
    consumer = await deployment.startConsumer({ settings: { MAX_BATCH: '50' } })
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([redis.stop(), mysql.stop()])
  })

  /** Sells a house of its own while something happens, and answers with what the customers were told. */
  async function sellThrough(
    performanceId: string,
    happening: () => Promise<void>,
  ): Promise<readonly Wished[]> {
    const house: House = { performanceId, sectionIds: ['A', 'B', 'C'], rows: 20, seats: 20 }
    await deployment.putHouse(house)
    const load = new Load({ urls: () => [functions.url], house, random: seededRandom(2), customers: 5 })
    await until(() => load.accepted > 50)
    await happening()
    const before = load.accepted
    await until(() => load.accepted > before + 50, 20_000)
    const history = await load.stop()
    await deployment.settled()
    expect(await judge({ history, deployment, url: functions.url })).toEqual([])
    expect(await consumer.count('frontrow_wrong_memory_total')).toBe(0)
    return history
  }

  it('a Redis that is killed and comes back loses nothing; meanwhile the front says no', async () => {
    const history = await sellThrough('redis-killed', async () => {
      await redis.kill()
      await until(async () => !(await functions.isReady()))
      expect(await consumer.isReady()).toBe(false)
      await sleep(AWAY_MS)
      await redis.start()
      await Promise.all([functions.ready(), consumer.ready()])
    })
    const answers = new Set(history.flatMap(({ attempts }) => attempts.map(({ status }) => status)))
    expect(answers).toContain(503)
    // Nobody was left without any answer.
    expect(answers).not.toContain(0)
  })

  it('a MySQL that is killed and comes back loses nothing; meanwhile the front goes on accepting', async () => {
    const history = await sellThrough('mysql-killed', async () => {
      await mysql.kill()
      const killedAtMs = performance.now()
      await until(async () => !(await consumer.isReady()))
      await sleep(AWAY_MS)
      const startedAtMs = performance.now()
      await mysql.start()
      await consumer.ready()
      accepting = [killedAtMs + 200, startedAtMs]
    })
    const [from, to] = accepting
    const meanwhile = history
      .flatMap(({ attempts }) => attempts)
      .filter(({ sentAtMs, answeredAtMs }) => sentAtMs > from && answeredAtMs < to)
    expect(meanwhile.length).toBeGreaterThan(10)
    expect(meanwhile.every(({ status }) => status === 202)).toBe(true)
  })
  let accepting: readonly [fromMs: number, toMs: number] = [0, 0]
})
