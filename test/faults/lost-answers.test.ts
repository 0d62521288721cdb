import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import type { FunctionServer } from '../support/function-server.ts'
import { until } from '../support/until.ts'
import {
  bookAndWait,
  cancelAndWait,
  outcomeOf,
  requestIdOf,
  World,
  type RunningConsumer,
} from '../support/world.ts'

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
  await world.putPerformance('hamlet', { sections: ['A', 'B'], rows: 2 })
  await bookAndWait(server, 'warm-up', wish('A', '2-10'))
  await world.settled()
})
afterEach(async () => {
  await world.end()
  await Promise.all([toMysql.close(), toRedis.close()])
})

const wish = (
  sectionId: string,
  ...seatIds: string[]
): { performanceId: string; sectionId: string; seatIds: string[] } => ({
  performanceId: 'hamlet',
  sectionId,
  seatIds,
})

/** One effect of each request, memory that was never wrong, and Redis and MySQL of one mind. */
async function expectAllWell(decisions: number): Promise<void> {
  await world.settled()
  expect(await world.audit('hamlet')).toMatchObject({ decisions, findings: [] })
  expect(await consumer.count('wrongMemory')).toBe(0)
}

describe('a COMMIT whose answer is lost', () => {
  it('has been carried out, and is not carried out again', async () => {
    const trap = toMysql.trap('COMMIT;', 'lose-answer')
    expect(await bookAndWait(server, 'alice', wish('A', '1-1'))).toMatchObject({ status: 'CONFIRMED' })
    await trap.sprung
    expect(await bookAndWait(server, 'bob', wish('A', '1-1'))).toMatchObject({ status: 'REJECTED' })
    await expectAllWell(3)
    expect(await consumer.count('commitFailures')).toBe(1)
  })

  it('is waited for when it comes later than we gave it up', async () => {
    const trap = toMysql.trap('COMMIT;', 'send-late')
    const accepted = await server.book('alice', wish('A', '1-1'))
    await trap.sprung
    // By now the consumer knows that its connection broke. The transaction still stands, and its COMMIT is on the way.
    await until(async () => (await consumer.count('commitFailures')) === 1)
    await sleep(500)
    trap.release()
    await trap.answered
    expect(await outcomeOf(server, 'alice', requestIdOf(accepted))).toMatchObject({ status: 'CONFIRMED' })
    expect(await bookAndWait(server, 'bob', wish('A', '1-1'))).toMatchObject({ status: 'REJECTED' })
    await expectAllWell(3)
  })

  it('and did not arrive has done nothing, and is carried out once', async () => {
    const trap = toMysql.trap('COMMIT;', 'hold-before')
    const accepted = await server.book('alice', wish('A', '1-1'))
    await trap.sprung
    toMysql.breakAll()
    expect(await outcomeOf(server, 'alice', requestIdOf(accepted))).toMatchObject({ status: 'CONFIRMED' })
    await expectAllWell(2)
  })
})

describe('a settling whose reply is lost', () => {
  it('is sent again by the client, and shows the same', async () => {
    const trap = toRedis.trap('evalsha', 'lose-answer')
    const booked = await bookAndWait(server, 'alice', wish('A', '1-1'))
    await trap.answered
    expect(booked).toMatchObject({ status: 'CONFIRMED' })
    await expectAllWell(2)
    expect(await outcomeOf(server, 'alice', String(booked['requestId']))).toMatchObject({
      status: 'CONFIRMED',
    })
  })

  it('and that failed is made up for, and the decision is not made again', async () => {
    const trap = toMysql.trap('BEGIN;', 'hold-before')
    const requestId = requestIdOf(await server.book('alice', wish('A', '1-1')))
    await trap.sprung
    // A record that no script can work with.
    await world.redis.del(world.keys.record(requestId))
    await world.redis.set(world.keys.record(requestId), 'no hash')
    trap.release()
    await until(async () => (await consumer.count('settleFailures')) > 0)
    await world.redis.del(world.keys.record(requestId))
    await expectAllWell(2)
    expect(await world.redis.hget(world.keys.record(requestId), 'status')).toBe('CONFIRMED')
    expect(await consumer.count('repeats')).toBeGreaterThan(0)
  })

  it('and that never arrived is made up for', async () => {
    // Longer than the client waits for a reply.
    toRedis.trap('evalsha', 'hold-before')
    const requestId = requestIdOf(await server.book('alice', wish('A', '1-1')))
    await until(async () => (await consumer.count('settleFailures')) === 1, 15_000)
    toRedis.breakAll()
    await expectAllWell(2)
    expect(await world.redis.hget(world.keys.record(requestId), 'status')).toBe('CONFIRMED')
  })
})

describe('an idempotency record that vanished from Redis', () => {
  const forget = (requestId: string): Promise<number> =>
    world.redis.del(world.keys.record(requestId), world.keys.outcome(requestId))

  it.each([
    ['the same body', wish('A', '1-1')],
    ['another body', wish('A', '1-2')],
    ['another section', wish('B', '1-1')],
  ])('lets %s through to the consumer, which sees the first one', async (_, second) => {
    const booked = await bookAndWait(server, 'alice', wish('A', '1-1'), 'k')
    await world.settled()
    await forget(String(booked['requestId']))
    expect((await server.book('alice', second, 'k')).status).toBe(202)
    await expectAllWell(2)
    const shown = await outcomeOf(server, 'alice', String(booked['requestId']))
    expect(shown).toMatchObject({ status: 'CONFIRMED', sectionId: 'A', seatIds: ['1-1'] })
    // From then on Redis remembers the first one again.
    const same = second.sectionId === 'A' && second.seatIds[0] === '1-1'
    expect((await server.book('alice', second, 'k')).status).toBe(same ? 200 : 422)
    expect((await server.book('alice', wish('A', '1-1'), 'k')).status).toBe(200)
  })

  it('does not hide what a cancel changed', async () => {
    const requestId = String((await bookAndWait(server, 'alice', wish('A', '1-1')))['requestId'])
    await world.settled()
    await world.redis.del(world.keys.record(requestId))
    expect(await cancelAndWait(server, 'alice', requestId)).toMatchObject({ status: 'CANCELLED' })
    await expectAllWell(3)
  })

  it.each([
    ['another body', wish('A', '1-2')],
    ['another section', wish('B', '1-1')],
  ])('before the first was decided still has one effect, with %s behind it', async (_, second) => {
    const trap = toMysql.trap('BEGIN;', 'hold-before')
    const first = await server.book('alice', wish('A', '1-1'), 'k')
    await trap.sprung
    await forget(requestIdOf(first))
    expect((await server.book('alice', second, 'k')).status).toBe(202)
    trap.release()
    await expectAllWell(2)
    const rows = await world.knex('decisions').where({ customer_id: 'alice' }).pluck('seat_ids')
    expect(rows).toEqual(['1-1'])
    expect(await outcomeOf(server, 'alice', requestIdOf(first))).toMatchObject({
      sectionId: 'A',
      seatIds: ['1-1'],
    })
  })
})
