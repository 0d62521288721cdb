import { afterEach, beforeEach, expect, it } from 'vitest'
import { encodeCommand } from '../../shared/commands.ts'
import { partitionOf } from '../../shared/placement.ts'
import { deriveRequestId, fingerprintOf } from '../../shared/request-id.ts'
import { until } from '../support/until.ts'
import { World } from '../support/world.ts'

const MAX_BATCH = 16
/** A batch fails, then one of its halves at each step, and at last the culprit alone. */
const MOST_FAILURES = Math.log2(MAX_BATCH) + 1

let world: World
/** A performance whose section lies in the same shard as hamlet's, in another partition. */
let neighbour = ''

beforeEach(async () => {
  world = await World.create()
  const home = partitionOf(world.topology, 'hamlet', 'A')
  for (let i = 0; neighbour === ''; i++) {
    const { shard, number } = partitionOf(world.topology, `p${i}`, 'A')
    if (shard === home.shard && number !== home.number) neighbour = `p${i}`
  }
  await world.putPerformance('hamlet', { rows: 1, seats: 40 })
  await world.putPerformance(neighbour, { rows: 100, seats: 100 })
})
afterEach(async () => {
  await world.end()
})

async function add(performanceId: string, customers: readonly string[], row: number): Promise<void> {
  const pipeline = world.redis.pipeline()
  customers.forEach((customerId, i) => {
    const wish = { performanceId, sectionId: 'A', seatIds: [`${row}-${i + 1}`] }
    const fields = encodeCommand({
      kind: 'book',
      requestId: deriveRequestId(customerId, performanceId, 'k'),
      ...{ customerId, ...wish, fingerprint: fingerprintOf(wish) },
      ...{ requestedAtUs: Date.now() * 1_000, topologyVersion: 1 },
    })
    pipeline.xadd(world.streamOf(performanceId, 'A'), '*', ...fields)
  })
  await pipeline.exec()
}

const customersOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}-${i}`)

it('is isolated in a few steps beside a neighbour that is always busy, which is neither condemned nor held up', async () => {
  await world.knex.raw(`CREATE TRIGGER no_such_seat BEFORE INSERT ON booked_seats FOR EACH ROW
    BEGIN IF NEW.performance_id = 'hamlet' AND NEW.seat_id = '1-7' THEN SIGNAL SQLSTATE '45000'; END IF; END`)
  await add('hamlet', customersOf('hamlet', 20), 1)
  let rows = 0
  const isOver = { yes: false }
  const keepBusy = async (): Promise<void> => {
    while (!isOver.yes && rows < 100) {
      const waiting = await world.redis.xlen(world.streamOf(neighbour, 'A'))
      if (waiting < 100) await add(neighbour, customersOf(`row-${++rows}`, 100), rows)
    }
  }
  const busy = keepBusy()
  await until(() => rows > 0)
  const consumer = await world.startConsumer({ MAX_BATCH: String(MAX_BATCH) })
  const outcomesOf = async (performanceId: string): Promise<Map<string, string>> => {
    const found = await world
      .knex('decisions')
      .where({ performance_id: performanceId })
      .orderBy('sequence')
      .select<{ customer_id: string; status: string; reason: string | null }[]>()
    return new Map(found.map((row) => [row.customer_id, row.reason ?? row.status]))
  }
  await until(async () => (await outcomesOf('hamlet')).size === 20)
  const meanwhile = (await outcomesOf(neighbour)).size
  isOver.yes = true
  await busy
  await world.settled()

  expect(await consumer.count('commitFailures')).toBeLessThanOrEqual(MOST_FAILURES)
  const hamlets = customersOf('hamlet', 20).map((name, i): [string, string] => [
    name,
    i === 6 ? 'INTERNAL' : 'CONFIRMED',
  ])
  // In the order in which they asked.
  expect([...(await outcomesOf('hamlet'))]).toEqual(hamlets)
  expect(new Set((await outcomesOf(neighbour)).values())).toEqual(new Set(['CONFIRMED']))
  expect(meanwhile).toBeGreaterThanOrEqual(10)
  for (const performanceId of ['hamlet', neighbour]) {
    expect((await world.audit(performanceId)).findings).toEqual([])
  }
  expect(await world.knex('dead_letters').pluck('request_id')).toHaveLength(1)
})
