import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { Topology } from '../../shared/placement.ts'
import { Deployment } from '../support/deployment.ts'
import { HandOvers } from '../support/hand-over.ts'
import { newestMap, storedMaps, untilShared } from '../support/ownership.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { StreamWatch } from '../support/stream-watch.ts'
import { until } from '../support/until.ts'

const KILLS = process.env['LONG_FAULTS'] === undefined ? 1 : 10

/** Meant is the member time-out, which is 3 s unless it is set, and one more; on a busy machine processes wait. */
const LOOSE_TAKE_OVER_MS = 8_000

let deployment: Deployment

beforeEach(async () => {
  const servers = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
  deployment = await Deployment.on(servers, ownFolder())
})
afterEach(async () => {
  await deployment.end()
})

async function startFunctions({ shards, partitionsPerShard }: Topology): Promise<string> {
  const settings = { SHARDS: String(shards), PARTITIONS_PER_SHARD: String(partitionsPerShard) }
  return (await deployment.startFunctions({ settings })).url
}

describe('a consumer that is killed', () => {
  it(
    'leaves its partitions to the others, who decide them within the member time-out and a second',
    { timeout: 60_000 + KILLS * 10_000 },
    async () => {
      const topology: Topology = { version: 1, shards: 4, partitionsPerShard: 4 }
      const url = await startFunctions(topology)
      const consumers: BundleProcess[] = []
      for (let i = 0; i < 3; i++) consumers.push(await deployment.startConsumer())
      await untilShared(deployment, consumers)
      const sale = await SteadySale.open(deployment, { url, topology })
      const watch = new StreamWatch(deployment, topology)
      await sleep(500)
      const handOvers = new HandOvers(deployment)
      for (let kill = 0; kill < KILLS; kill++) {
        if (kill > 0) consumers.push(await deployment.startConsumer())
        await untilShared(deployment, consumers)
        await handOvers.during('kill', watch, async () => {
          await consumers.shift()?.kill()
          await untilShared(deployment, consumers)
        })
      }
      await watch.end()
      expect(await sale.close()).toEqual([])
      console.log(handOvers.tell().join('\n'))
      const { moved, stayed } = handOvers.of('kill')
      expect(Math.max(...moved)).toBeLessThan(LOOSE_TAKE_OVER_MS)
      expect(Math.max(...stayed)).toBeLessThan(Math.min(...moved))
      expect((await storedMaps(deployment)).filter(({ reason }) => reason === 'expiry').length).toBe(KILLS)
    },
  )

  it('is replaced by a surplus one that stood by, ready and without partitions', async () => {
    const topology: Topology = { version: 1, shards: 1, partitionsPerShard: 2 }
    const settings = { HEARTBEAT_MS: '100', MEMBER_TIMEOUT_MS: '600' }
    const url = await startFunctions(topology)
    const consumers: BundleProcess[] = []
    for (let i = 0; i < 3; i++) consumers.push(await deployment.startConsumer({ settings }))
    await untilShared(deployment, consumers)
    const sale = await SteadySale.open(deployment, { url, topology })
    await until(() => sale.accepted > 20)
    // Ready means deciding, or standing by to.
    for (const consumer of consumers) expect(await consumer.isReady()).toBe(true)
    const { members, owners } = await newestMap(deployment)
    expect(members.length).toBe(3)
    const idle = consumers.filter(({ memberName }) => !owners.some((name) => name === memberName))
    expect(idle.length).toBe(1)
    const [standBy] = idle
    const [killed] = consumers.filter((consumer) => consumer !== standBy)
    await killed?.kill()
    await untilShared(
      deployment,
      consumers.filter((consumer) => consumer !== killed),
    )
    expect((await newestMap(deployment)).owners).toContain(standBy?.memberName)
    const before = sale.accepted
    await until(() => sale.accepted > before + 20)
    expect(await sale.close()).toEqual([])
    expect(await standBy?.count('frontrow_decisions_total')).toBeGreaterThan(0)
  })
})
