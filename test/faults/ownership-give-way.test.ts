import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { projectRoot } from '../../deploy/local/project-root.ts'
import type { Topology } from '../../shared/placement.ts'
import { Deployment } from '../support/deployment.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { newestMap, storedMaps, storedPartitions, untilShared } from '../support/ownership.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { until } from '../support/until.ts'

const IS_LONG = process.env['LONG_FAULTS'] !== undefined
const topology: Topology = { version: 1, shards: 2, partitionsPerShard: 4 }

/** Short, so that others take over soon; long enough for a busy machine. */
const MEMBER_TIMEOUT_MS = 1_000
const settings = {
  HEARTBEAT_MS: String(MEMBER_TIMEOUT_MS / 5),
  MEMBER_TIMEOUT_MS: String(MEMBER_TIMEOUT_MS),
  SHARDS: String(topology.shards),
  PARTITIONS_PER_SHARD: String(topology.partitionsPerShard),
}

/**
 * Less than the block, and than the time after which a loop's standstill alone would give it away. A session of MySQL that
 * went silent inside a transaction keeps its locks for five seconds of it.
 */
const GIVES_WAY_WITHIN_MS = 9_500

let deployment: Deployment
let url: string
let toRedis: FaultyProxy
let toMysql: FaultyProxy
let others: BundleProcess[]
/** Reaches its servers through the proxies, and is the one that everything befalls. */
let victim: BundleProcess
let all: BundleProcess[]
let sale: SteadySale
let sales = 0

beforeAll(async () => {
  const servers = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
  deployment = await Deployment.on(servers, ownFolder())
  toRedis = await FaultyProxy.inFrontOf(deployment.redisUrl)
  toMysql = await FaultyProxy.inFrontOf(deployment.databaseUrl)
  others = [await deployment.startConsumer({ settings }), await deployment.startConsumer({ settings })]
  victim = await deployment.startConsumer({
    redisUrl: toRedis.urlOf(deployment.redisUrl),
    databaseUrl: toMysql.urlOf(deployment.databaseUrl),
    settings,
    preload: join(projectRoot(), 'test', 'support', 'block-loop.mjs'),
  })
  all = [...others, victim]
  url = (await deployment.startFunctions()).url
})
afterAll(async () => {
  await deployment.end()
  await Promise.all([toRedis.close(), toMysql.close()])
})
beforeEach(async () => {
  await untilShared(deployment, all)
  sale = await SteadySale.open(deployment, { url, topology, name: `sale-${++sales}` })
  await until(() => sale.accepted > 20)
})
afterEach(async () => {
  for (const proxy of [toRedis, toMysql]) {
    proxy.fault = 'pass'
    proxy.delayMs = 0
  }
  // Whatever befell it: it takes part again, and nothing is lost, doubled or out of order.
  await untilShared(deployment, all, 40_000)
  const before = sale.accepted
  await until(() => sale.accepted > before + 20)
  expect(await sale.close()).toEqual([])
  for (const each of all) expect(await each.count('frontrow_wrong_memory_total')).toBe(0)
})

/** How many decisions there are under the epochs of some partitions' rows as they were at some time. */
async function decisionsUnder(epochs: ReadonlyMap<number, number>): Promise<number> {
  const rows = await deployment
    .knex('decisions')
    .select<{ shard: number; partition_number: number; epoch: number }[]>(
      'shard',
      'partition_number',
      'epoch',
    )
  return rows.filter(
    (row) => epochs.get(row.shard * topology.partitionsPerShard + row.partition_number) === row.epoch,
  ).length
}

async function epochsOfVictim(): Promise<Map<number, number>> {
  const rows = await storedPartitions(deployment)
  const found = new Map<number, number>()
  rows.forEach(({ owner, epoch }, partition) => {
    if (owner === victim.memberName) found.set(partition, epoch)
  })
  return found
}

/** Whoever gave way does so for good, not again and again: no map names it. (A busy machine may make others late.) */
async function expectPeace(): Promise<void> {
  const { generation } = await newestMap(deployment)
  await sleep(3 * MEMBER_TIMEOUT_MS)
  const since = (await storedMaps(deployment)).filter((map) => map.generation >= generation)
  expect(
    since.filter(({ members }) => members.includes(victim.memberName ?? '')).map(({ generation: g }) => g),
  ).toEqual([])
}

describe('a consumer that is stopped for longer than the time-out', () => {
  it('commits nothing under its old epochs when it wakes, notices, and takes part again', async () => {
    const epochs = await epochsOfVictim()
    expect(epochs.size).toBeGreaterThan(0)
    await until(async () => (await decisionsUnder(epochs)) > 0)
    victim.freeze()
    await untilShared(deployment, others)
    const decided = await decisionsUnder(epochs)
    await sleep(500)
    victim.wake()
    await untilShared(deployment, all)
    expect(await decisionsUnder(epochs)).toBe(decided)
    const ownAgain = await epochsOfVictim()
    expect(ownAgain.size).toBeGreaterThan(0)
    await until(async () => (await decisionsUnder(ownAgain)) > 0)
  })
})

describe('a consumer whose process lives', () => {
  it.each(
    IS_LONG
      ? ([
          ['Redis', 'silent'],
          ['Redis', 'down'],
          ['MySQL', 'silent'],
          ['MySQL', 'down'],
        ] as const)
      : ([
          ['Redis', 'silent'],
          ['MySQL', 'down'],
        ] as const),
  )('gives way while its %s is %s', async (server, fault) => {
    const proxy = server === 'Redis' ? toRedis : toMysql
    proxy.fault = fault
    const startedAtMs = performance.now()
    await untilShared(deployment, others, GIVES_WAY_WITHIN_MS)
    console.log(`without ${server} (${fault}) gave way in ${Math.round(performance.now() - startedAtMs)} ms`)
    expect(victim.isRunning).toBe(true)
    await expectPeace()
  })

  it.each(['Redis', 'MySQL'] as const)('goes on while its %s answers late', async (server) => {
    const proxy = server === 'Redis' ? toRedis : toMysql
    const decided = await victim.count('frontrow_decisions_total')
    proxy.delayMs = 100
    await sleep(1_000)
    proxy.delayMs = 0
    await until(async () => (await victim.count('frontrow_decisions_total')) > decided)
  })

  it.each(IS_LONG ? (['Redis', 'MySQL'] as const) : (['MySQL'] as const))(
    'gives way while its %s answers later than it may stand still',
    async (server) => {
      const proxy = server === 'Redis' ? toRedis : toMysql
      proxy.delayMs = 1.5 * MEMBER_TIMEOUT_MS
      await untilShared(deployment, others)
      await expectPeace()
    },
  )

  it('gives way while its event loop is blocked for ten seconds', async () => {
    const startedAtMs = performance.now()
    victim.block()
    await untilShared(deployment, others, GIVES_WAY_WITHIN_MS)
    console.log(`blocked, gave way in ${Math.round(performance.now() - startedAtMs)} ms`)
    expect(victim.isRunning).toBe(true)
    expect(await victim.isReady()).toBe(false)
  })
})
