import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { Deployment, type House } from '../support/deployment.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { canHaveOwnServers, ownFolder, startOwnMysql, startOwnRedis } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

describe.skipIf(!canHaveOwnServers())('a Redis', () => {
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
    consumer = await deployment.startConsumer()
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([redis.stop(), mysql.stop()])
  })

  async function open(performanceId: string): Promise<Load> {
    const house: House = { performanceId, sectionIds: ['A', 'B'], rows: 20, seats: 20 }
    await deployment.putHouse(house)
    return new Load({ urls: () => [functions.url], house, random: seededRandom(3), customers: 4 })
  }

  /** Entries that tell of changes of seats. */
  async function toldOfSeats(): Promise<number> {
    const streams = await deployment.redis.keys(`${deployment.keyPrefix}{*}seats`)
    const lengths = await Promise.all(streams.map((stream) => deployment.redis.xlen(stream)))
    return lengths.reduce((sum, length) => sum + length, 0)
  }

  it('at its memory limit accepts nothing more, tells of seats, lets go of what is decided, and recovers', async () => {
    const load = await open('full')
    await until(() => load.accepted > 50)
    // Nobody decides for a while, so that something undecided is left when memory is short.
    consumer.freeze()
    const before = load.accepted
    await until(() => load.accepted > before + 50)
    await deployment.redis.config('SET', 'maxmemory', '1mb')
    await until(() => load.history.some(({ attempts }) => attempts.some(({ status }) => status === 503)))
    const told = await toldOfSeats()
    consumer.wake()
    await deployment.settled(10_000)
    expect(await toldOfSeats()).toBeGreaterThan(told)
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
})
