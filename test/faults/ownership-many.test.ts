import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { Topology } from '../../shared/placement.ts'
import { Deployment } from '../support/deployment.ts'
import { FaultyProxy, type Fault } from '../support/faulty-proxy.ts'
import { newestMap, untilShared } from '../support/ownership.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { until } from '../support/until.ts'

const IS_LONG = process.env['LONG_FAULTS'] !== undefined
const topology: Topology = { version: 1, shards: 4, partitionsPerShard: 4 }

let deployment: Deployment
let url: string

beforeEach(async () => {
  const servers = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
  deployment = await Deployment.on(servers, ownFolder())
  const settings = {
    SHARDS: String(topology.shards),
    PARTITIONS_PER_SHARD: String(topology.partitionsPerShard),
  }
  url = (await deployment.startFunctions({ settings })).url
})
afterEach(async () => {
  await deployment.end()
})

describe('many changes at once', () => {
  it('ten consumers that start at once, and four that are replaced one by one, make few generations', async () => {
    const startedAtMs = performance.now()
    const ten = await Promise.all(
      Array.from({ length: 10 }, () => deployment.startConsumer({ unready: true })),
    )
    await Promise.all(ten.map((consumer) => consumer.ready(40_000)))
    await untilShared(deployment, ten)
    const { generation: joined } = await newestMap(deployment)
    console.log(`ten joined in ${joined} generations, ${Math.round(performance.now() - startedAtMs)} ms`)
    const sale = await SteadySale.open(deployment, { url, topology })
    await until(() => sale.accepted > 50)
    // All at once again: six leave.
    const [leaving, staying] = [ten.slice(0, 6), ten.slice(6)]
    await Promise.all(leaving.map((consumer) => consumer.stop()))
    await untilShared(deployment, staying)
    const { generation: left } = await newestMap(deployment)
    console.log(`six left in ${left - joined} generations`)
    // A rolling restart: the next one is stopped when the one before is ready.
    const rolled: BundleProcess[] = []
    for (const old of staying) {
      await old.stop()
      rolled.push(await deployment.startConsumer())
    }
    await untilShared(deployment, rolled)
    const { generation: restarted } = await newestMap(deployment)
    console.log(`four restarted in ${restarted - left} generations`)
    const before = sale.accepted
    await until(() => sale.accepted > before + 50)
    expect(await sale.close()).toEqual([])
    // One for each would be ten, six, and two for each of four.
    expect(joined).toBeLessThanOrEqual(7)
    expect(left - joined).toBeLessThanOrEqual(4)
    expect(restarted - left).toBeLessThanOrEqual(8)
  })
})

describe('the last consumer', () => {
  const stopped = async (consumer: BundleProcess): Promise<number> => {
    const askedAtMs = performance.now()
    await consumer.stop(30_000)
    return performance.now() - askedAtMs
  }

  it('leaves within a second or two, and its successor goes on from there', async () => {
    const last = await deployment.startConsumer()
    const sale = await SteadySale.open(deployment, { url, topology })
    await until(() => sale.accepted > 50)
    const tookMs = await stopped(last)
    console.log(`the last one left in ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThan(3_000)
    const before = sale.accepted
    await until(() => sale.accepted > before + 20)
    await deployment.startConsumer()
    expect(await sale.close()).toEqual([])
  })

  it.each<['Redis' | 'MySQL', Fault]>(
    IS_LONG
      ? [
          ['Redis', 'down'],
          ['Redis', 'silent'],
          ['MySQL', 'down'],
          ['MySQL', 'silent'],
        ]
      : [
          ['Redis', 'down'],
          ['MySQL', 'silent'],
        ],
  )('leaves within its deadline while %s is %s', async (server, fault) => {
    const toRedis = await FaultyProxy.inFrontOf(deployment.redisUrl)
    const toMysql = await FaultyProxy.inFrontOf(deployment.databaseUrl)
    const last = await deployment.startConsumer({
      redisUrl: toRedis.urlOf(deployment.redisUrl),
      databaseUrl: toMysql.urlOf(deployment.databaseUrl),
    })
    const sale = await SteadySale.open(deployment, { url, topology })
    await until(() => sale.accepted > 50)
    ;(server === 'Redis' ? toRedis : toMysql).fault = fault
    const tookMs = await stopped(last)
    console.log(`left without ${server} (${fault}) in ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThan(20_000)
    await deployment.startConsumer()
    expect(await sale.close()).toEqual([])
    await Promise.all([toRedis.close(), toMysql.close()])
  })
})
