import { afterEach, beforeEach, expect, it } from 'vitest'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import type { FunctionServer } from '../support/function-server.ts'
import { encodeCommand } from '../../shared/commands.ts'
import { deriveRequestId, fingerprintOf } from '../../shared/request-id.ts'
import { bookAndWait, outcomeOf, World, type RunningConsumer } from '../support/world.ts'

let world: World
let server: FunctionServer
let consumer: RunningConsumer
let stream = ''

beforeEach(async () => {
  world = await World.create()
  server = await world.startFunctions()
  consumer = await world.startConsumer()
  stream = world.streamOf('hamlet', 'A')
})
afterEach(async () => {
  await world.end()
})

const HOUR_MS = 3_600_000

/** Puts a booking on the stream under an id of our own, as if the clock, or another copy of Redis, had given it. */
async function add(id: string, customer: string, seatId: string): Promise<string> {
  const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: [seatId] }
  const requestId = deriveRequestId(customer, 'hamlet', 'k')
  await world.redis.xadd(
    stream,
    id,
    ...encodeCommand({
      kind: 'book',
      requestId,
      customerId: customer,
      ...wish,
      requestedAtUs: Date.now() * 1_000,
      topologyVersion: 1,
      fingerprint: fingerprintOf(wish),
    }),
  )
  return requestId
}

const statusOf = async (customer: string, requestId: string): Promise<unknown> => {
  await world.settled()
  return (await outcomeOf(server, customer, requestId))['status']
}

it('goes on when the ids of a stream begin again, and skips nothing', async () => {
  await world.putPerformance('hamlet')
  expect(await statusOf('alice', await add(`${Date.now() + HOUR_MS}-0`, 'alice', '1-1'))).toBe('CONFIRMED')
  await world.redis.del(stream)
  const lower = await add('1-1', 'bob', '1-2')
  const next = await add('1-2', 'carol', '1-3')
  expect(await statusOf('bob', lower)).toBe('CONFIRMED')
  expect(await statusOf('carol', next)).toBe('CONFIRMED')
  expect((await world.audit('hamlet')).findings).toEqual([])
})

it('skips nothing that appears behind what was read, while a later entry is in flight', async () => {
  await world.putPerformance('hamlet')
  await consumer.stop()
  const toMysql = await FaultyProxy.inFrontOf(world.database.url)
  consumer = await world.startConsumer({ DATABASE_URL: toMysql.urlOf(world.database.url) })
  const trap = toMysql.trap('BEGIN;', 'hold-before')
  const later = await add('9-0', 'alice', '1-1')
  await trap.sprung
  await world.redis.del(stream)
  const [first, second] = [await add('5-0', 'bob', '1-2'), await add('7-0', 'carol', '1-3')]
  trap.release()
  expect(await statusOf('bob', first)).toBe('CONFIRMED')
  expect(await statusOf('carol', second)).toBe('CONFIRMED')
  expect(await statusOf('alice', later)).toBe('CONFIRMED')
  await consumer.stop()
  await toMysql.close()
})

it('takes the time of a request from its field when Redis’ clock jumped ahead and back, never from its id', async () => {
  // The sale closes before the hour is over by which the ids are ahead.
  await world.putPerformance('hamlet', { saleClosesAt: new Date(Date.now() + HOUR_MS / 2).toISOString() })
  expect(await statusOf('alice', await add(`${Date.now() + HOUR_MS}-0`, 'alice', '1-1'))).toBe('CONFIRMED')
  // From now on Redis counts up from the highest id there was.
  for (const seat of ['1-2', '1-3']) {
    const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: [seat] }
    expect(await bookAndWait(server, 'bob', wish)).toMatchObject({ status: 'CONFIRMED' })
  }
  expect((await world.audit('hamlet')).findings).toEqual([])
})
