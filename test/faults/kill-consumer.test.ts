import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { Deployment, type House } from '../support/deployment.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { ownFolder } from '../support/own-servers.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

const KILLS = process.env['LONG_FAULTS'] === undefined ? 5 : 20
const house: House = { performanceId: 'hamlet', sectionIds: ['A', 'B', 'C', 'D'], rows: 20, seats: 30 }

let deployment: Deployment

beforeEach(async () => {
  deployment = await Deployment.on(
    { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') },
    ownFolder(),
  )
  await deployment.putHouse(house)
})
afterEach(async () => {
  await deployment.end()
})

it(
  `loses nothing that was accepted and decides nothing twice when the consumer is killed ${KILLS} times under load`,
  { timeout: 30_000 + KILLS * 5_000 },
  async () => {
    const random = seededRandom(1)
    const { url } = await deployment.startFunctions()
    const load = new Load({ urls: () => [url], house, random, customers: 5 })
    // A small batch commits often, so that a kill meets every step of the way.
    const settings = { MAX_BATCH: '20' }
    let consumer = await deployment.startConsumer({ settings })
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await decisions()
      await until(async () => (await decisions()) > before)
      await sleep(random.whole(0, 400))
      await consumer.kill()
      // What came while nobody decided is there when the next one starts.
      await sleep(random.whole(0, 200))
      consumer = await deployment.startConsumer({ settings })
    }
    const history = await load.stop()
    await deployment.settled()
    expect(await judge({ history, deployment, url })).toEqual([])
    expect(load.accepted).toBeGreaterThan(KILLS * 10)
    expect(await consumer.count('frontrow_wrong_memory_total')).toBe(0)
  },
)

async function decisions(): Promise<number> {
  const [row] = await deployment.knex('decisions').count<{ n: number }[]>({ n: '*' })
  return row?.n ?? 0
}
