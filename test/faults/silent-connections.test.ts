import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { FaultyProxy, type Trap } from '../support/faulty-proxy.ts'
import type { FunctionServer } from '../support/function-server.ts'
import { until } from '../support/until.ts'
import { bookAndWait, outcomeOf, requestIdOf, World, type RunningConsumer } from '../support/world.ts'

let world: World
let server: FunctionServer
let toMysql: FaultyProxy
let toRedis: FaultyProxy
let consumer: RunningConsumer

beforeEach(async () => {
  world = await World.create()
  toMysql = await FaultyProxy.inFrontOf(world.database.url)
  toRedis = await FaultyProxy.inFrontOf(inject('redisUrl'))
  server = await world.startFunctions()
  consumer = await world.startConsumer({
    DATABASE_URL: toMysql.urlOf(world.database.url),
    REDIS_URL: toRedis.urlOf(inject('redisUrl')),
  })
  await world.putPerformance('hamlet', { sections: ['A', 'B'] })
  // Redis knows the scripts from now on, and section A is in memory.
  await bookAndWait(server, 'warm-up', wish('A', '1-10'))
  await world.settled()
})
afterEach(async () => {
  await Promise.all([toMysql.close(), toRedis.close()])
  await world.end()
})

const wish = (
  sectionId: string,
  seatId: string,
): { performanceId: string; sectionId: string; seatIds: string[] } => ({
  performanceId: 'hamlet',
  sectionId,
  seatIds: [seatId],
})

/**
 * No packet comes any more, and no end either: only the consumer itself can give such a connection up. Its own time-outs
 * are 8 s at most; without them nothing would happen within any time.
 */
const GIVEN_UP_WITHIN_MS = 20_000

async function expectOneEffect(customer: string, requestId: string): Promise<void> {
  await until(async () => (await world.redis.xlen(world.streamOf('hamlet', 'A'))) === 0, GIVEN_UP_WITHIN_MS)
  await world.settled()
  expect(await outcomeOf(server, customer, requestId)).toMatchObject({ status: 'CONFIRMED' })
  expect(await world.redis.hget(world.keys.record(requestId), 'status')).toBe('CONFIRMED')
  expect(await world.audit('hamlet')).toMatchObject({ decisions: 2, findings: [] })
  expect(await consumer.count('wrongMemory')).toBe(0)
}

describe('a connection of the consumer that falls silent is given up', () => {
  it('where it reads', async () => {
    // A reader each shard, and each on a connection of its own.
    const traps = Array.from({ length: world.topology.shards }, () => toRedis.trap('xread', 'fall-silent'))
    await Promise.all(traps.map(({ sprung }) => sprung))
    await expectOneEffect('alice', requestIdOf(await server.book('alice', wish('A', '1-1'))))
  })

  it.each<[string, string, () => Trap]>([
    ['where it settles', 'A', () => toRedis.trap('evalsha', 'fall-silent')],
    ['where it commits', 'A', () => toMysql.trap('COMMIT;', 'fall-silent')],
    ['where it loads a section', 'B', () => toMysql.trap('booked_seats', 'fall-silent')],
  ])('%s', async (_, sectionId, set) => {
    const trap = set()
    const requestId = requestIdOf(await server.book('alice', wish(sectionId, '1-1')))
    await trap.sprung
    await expectOneEffect('alice', requestId)
  })
})
