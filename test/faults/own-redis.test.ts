import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { Deployment, type House } from '../support/deployment.ts'
import { wasAccepted } from '../support/history.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { canHaveOwnServers, ownFolder, OwnRedis, startOwnMysql } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

describe.skipIf(!canHaveOwnServers())('a Redis', () => {
  let redis: OwnRedis
  let mysql: PrivateServer
  let deployment: Deployment
  let functions: BundleProcess
  let consumer: BundleProcess

  beforeAll(async () => {
    const folder = ownFolder()
    ;[redis, mysql] = await Promise.all([OwnRedis.start(folder), startOwnMysql(folder)])
    deployment = await Deployment.on({ redisUrl: redis.server.url, databaseUrl: mysql.url }, folder)
    functions = await deployment.startFunctions()
    consumer = await deployment.startConsumer()
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([redis.server.stop(), mysql.stop()])
  })

  async function open(performanceId: string): Promise<Load> {
    const house: House = { performanceId, sectionIds: ['A', 'B'], rows: 20, seats: 20 }
    await deployment.putHouse(house)
    return new Load({ urls: () => [functions.url], house, random: seededRandom(3), customers: 4 })
  }

  it('at its memory limit accepts nothing more, lets go of what is decided, and recovers', async () => {
    const load = await open('full')
    await until(() => load.accepted > 50)
    // Nobody decides for a while, so that something undecided is left when memory is short.
    consumer.freeze()
    const before = load.accepted
    await until(() => load.accepted > before + 50)
    await deployment.redis.config('SET', 'maxmemory', '1mb')
    await until(() => load.history.some(({ attempts }) => attempts.some(({ status }) => status === 503)))
    consumer.wake()
    await deployment.settled(10_000)
    await deployment.redis.config('SET', 'maxmemory', '0')
    const meanwhile = load.accepted
    await until(() => load.accepted > meanwhile + 50)
    const history = await load.stop()
    await deployment.settled()
    expect(await judge({ history, deployment, url: functions.url })).toEqual([])
  })

  it('close to its memory limit refuses what is new, so that there is room for deciding the rest', async () => {
    const load = await open('short')
    await until(() => load.accepted > 20)
    const info = await deployment.redis.info('memory')
    const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1])
    await deployment.redis.config('SET', 'maxmemory', Math.floor(used * 1.09))
    await until(() =>
      load.history.some(({ attempts }) => attempts.some(({ problem }) => problem === 'overloaded')),
    )
    await deployment.redis.config('SET', 'maxmemory', '0')
    const meanwhile = load.accepted
    await until(() => load.accepted > meanwhile + 20, 15_000)
    const history = await load.stop()
    await deployment.settled()
    expect(await judge({ history, deployment, url: functions.url })).toEqual([])
  })

  it('that is replaced by a copy without its tail loses the tail and nothing else, and no partition stands still', async () => {
    const load = await open('tail')
    await until(() => load.accepted > 50)
    // Entries that the copy has and that are decided by the time it takes over, and some that are not.
    consumer.freeze()
    const before = load.accepted
    await until(() => load.accepted > before + 30)
    const copy = redis.copy()
    const copiedAtMs = performance.now()
    consumer.wake()
    await until(() => load.accepted > before + 90)
    consumer.freeze()
    const undecided = load.accepted
    await until(() => load.accepted > undecided + 30)
    const history = await load.stop()
    await copy.promote()
    consumer.wake()
    await Promise.all([functions.ready(), consumer.ready()])
    await deployment.settled(15_000)
    const again = await open('after-tail')
    await until(() => again.accepted > 50)
    const afterwards = await again.stop()
    await deployment.settled()
    expect(await judge({ history: afterwards, deployment, url: functions.url })).toEqual([])
    expect(await judge({ history, deployment, url: functions.url, tailLost: true })).toEqual([])

    // Lost is what the copy lacked and nobody had decided; nothing that it had.
    const decided = new Set(
      await deployment.knex('decisions').where({ command: 'book' }).pluck('customer_id'),
    )
    const lost = history.filter(({ customer, attempts }) => wasAccepted(attempts) && !decided.has(customer))
    expect(lost.length).toBeGreaterThan(0)
    for (const { attempts } of lost) expect(attempts[0]?.sentAtMs).toBeGreaterThan(copiedAtMs)
    expect(await consumer.count('frontrow_wrong_memory_total')).toBe(0)
    copy.forget()
  })
})
