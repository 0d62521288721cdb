import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { decodeFields } from '../../shared/commands.ts'
import { Deployment, type House } from '../support/deployment.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { wasAccepted, type Wished } from '../support/history.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import {
  canHaveOwnServers,
  ownFolder,
  promote,
  startOwnMysql,
  startOwnRedis,
  startReplica,
} from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

const house: House = { performanceId: 'hamlet', sectionIds: ['A', 'B', 'C', 'D'], rows: 20, seats: 20 }

describe.skipIf(!canHaveOwnServers())('a replica that takes over without the tail', () => {
  let primary: PrivateServer
  let replica: PrivateServer
  let mysql: PrivateServer
  /** Between the primary and its replica. */
  let link: FaultyProxy
  /** Where the processes find Redis, whichever of the two that is. */
  let address: FaultyProxy
  let toMysql: FaultyProxy
  let deployment: Deployment
  let functions: BundleProcess
  let consumer: BundleProcess

  beforeAll(async () => {
    const folder = ownFolder()
    ;[primary, mysql] = await Promise.all([startOwnRedis(folder), startOwnMysql(folder)])
    link = await FaultyProxy.inFrontOf(primary.url)
    replica = await startReplica(folder, primary, link)
    address = await FaultyProxy.inFrontOf(primary.url)
    const redisUrl = address.urlOf(primary.url)
    deployment = await Deployment.on({ redisUrl, databaseUrl: mysql.url }, folder)
    toMysql = await FaultyProxy.inFrontOf(deployment.databaseUrl)
    functions = await deployment.startFunctions()
    consumer = await deployment.startConsumer({ databaseUrl: toMysql.urlOf(deployment.databaseUrl) })
    await deployment.putHouse(house)
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([link, address, toMysql].map((proxy) => proxy.close()))
    await Promise.all([primary, replica, mysql].map((server) => server.stop()))
  })

  /** Customers whose bookings are decided. */
  const decided = async (): Promise<Set<string>> =>
    new Set<string>(await deployment.knex('decisions').where({ command: 'book' }).pluck('customer_id'))

  /** Customers whose bookings lie on a stream. */
  async function onStreams(): Promise<Set<string>> {
    const entries = await Promise.all(
      (await deployment.keysLike('s')).map((stream) => deployment.redis.xrange(stream, '-', '+')),
    )
    const commands = entries.flat().map(([, fields]) => decodeFields(fields) as Record<string, string>)
    return new Set(commands.filter(({ kind }) => kind === 'book').map(({ customerId = '' }) => customerId))
  }

  it('loses what it lacked and nothing else, no partition stands still, and the same key heals it', async () => {
    const load = new Load({
      urls: () => [functions.url],
      house,
      random: seededRandom(4),
      customers: 4,
    })
    const accepted = async (more: number): Promise<void> => {
      const before = load.accepted
      await until(() => load.accepted > before + more)
    }
    await accepted(50)
    // Some that the replica holds are undecided by then, and decided by the time it takes over.
    consumer.freeze()
    await accepted(30)
    link.fault = 'down'
    consumer.wake()
    await accepted(60)
    // Of some that the replica lacks nothing is decided.
    toMysql.fault = 'down'
    await until(async () => !(await consumer.isReady()))
    await accepted(30)
    const history = await load.stop()
    const decidedBefore = await decided()
    await primary.kill()
    await promote(replica)
    address.switchTo(replica.url)
    await until(() => deployment.redis.status === 'ready')
    const held = await onStreams()
    expect([...held].some((customer) => decidedBefore.has(customer))).toBe(true)

    toMysql.fault = 'pass'
    await Promise.all([functions.ready(), consumer.ready()])
    await deployment.settled(15_000)
    const told = history.filter(({ attempts }) => wasAccepted(attempts))
    const without = (found: Set<string>): Wished[] => told.filter(({ customer }) => !found.has(customer))
    const lacked = without(new Set([...held, ...decidedBefore]))
    const lost = without(await decided())
    expect(lost).toEqual(lacked)
    expect(lost.length).toBeGreaterThan(20)

    // Whoever asks again learns the outcome there was, or gets one now.
    for (const wished of told) expect((await load.again(wished)).status).toBeOneOf([200, 202])
    await deployment.settled(15_000)
    expect(without(await decided())).toEqual([])
    expect(await judge({ history, deployment, url: functions.url, tailLost: true })).toEqual([])
    expect(await consumer.count('frontrow_wrong_memory_total')).toBe(0)
  })
})
