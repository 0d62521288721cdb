import { hash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import type { Answered, FunctionServer } from '../support/function-server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { requestIdOf, World, type RunningConsumer } from '../support/world.ts'
import { storeDecision } from '../contract/settled.ts'

/** By which Redis is asked to run it. */
const askForOutcomeScript = hash(
  'sha1',
  readFileSync(new URL('../../shared/redis/scripts/await-outcome.lua', import.meta.url)),
  'hex',
)

let world: World
let server: FunctionServer
let other: FunctionServer
let consumer: RunningConsumer | undefined
let seat = 0

beforeAll(async () => {
  world = await World.create()
  await world.putPerformance('hamlet', { rows: 10, seats: 50 })
  server = await world.startFunctions()
  other = await world.startFunctions({ MAX_WAITERS: '1' })
})

afterEach(async () => {
  await consumer?.stop()
  consumer = undefined
})

afterAll(async () => {
  await world.end()
})

const wish = () => {
  seat += 1
  return {
    performanceId: 'hamlet',
    sectionId: 'A',
    seatIds: [`${Math.floor(seat / 50) + 1}-${(seat % 50) + 1}`],
  }
}
const book = (on: FunctionServer, prefer: string, key = randomBytes(8).toString('hex'), json = wish()) =>
  on.ask('/bookings', { method: 'POST', as: 'alice', json, headers: { 'idempotency-key': key, prefer } })
const read = (on: FunctionServer, requestId: string, prefer: string) =>
  on.ask(`/bookings/${requestId}`, { as: 'alice', headers: { prefer } })
const timed = async (asked: Promise<Answered>) => {
  const startedAt = performance.now()
  const answer = await asked
  return { ...answer, ms: performance.now() - startedAt }
}
const waitersOf = async (on: FunctionServer) =>
  Number(/^frontrow_waiters (\d+)$/m.exec((await on.ask('/metrics')).text)?.[1])
const waitForWaiters = (on: FunctionServer, count: number) =>
  until(async () => (await waitersOf(on)) === count)
/** A user of Redis with all rights but those. */
const urlOf = async (user: string, ...rights: string[]) => {
  await world.redis.acl('SETUSER', user, 'on', '>secret', '~*', '+@all', ...rights)
  const url = new URL(inject('redisUrl'))
  url.username = user
  url.password = 'secret'
  return url.href
}
const startConsumer = async () => (consumer = await world.startConsumer())

describe('Prefer: wait', () => {
  it('answers a booking with its outcome in one round trip', async () => {
    await startConsumer()
    const answer = await timed(book(server, 'wait=10'))
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.headers.get('preference-applied')).toBe('wait=10')
    expect(answer.headers.get('location')).toBe(`/bookings/${requestIdOf(answer)}`)
    expect(answer.ms).toBeLessThan(2_000)
    expect(await waitersOf(server)).toBe(0)
  })

  it('answers what it knows when the time is over', async () => {
    const answer = await timed(book(server, 'wait=1'))
    expect([answer.status, answer.body['status']]).toEqual([202, 'PENDING'])
    expect(answer.headers.get('preference-applied')).toBe('wait=1')
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.ms).toBeGreaterThan(990)
  })

  it('tells everybody who waits: the booking, a retry elsewhere or here, and a reader', async () => {
    const [key, json] = ['everybody', wish()]
    const first = book(server, 'wait=10', key, json)
    await waitForWaiters(server, 1)
    const second = book(server, 'wait=10', key, json)
    await waitForWaiters(server, 2)
    const requestId = requestIdOf(await book(server, '', key, json))
    const third = read(server, requestId, 'wait=10')
    await waitForWaiters(server, 3)
    await startConsumer()
    for (const answer of [await first, await second, await third]) {
      expect([answer.status, answer.body]).toMatchObject([200, { requestId, status: 'CONFIRMED' }])
      expect(answer.headers.get('preference-applied')).toBe('wait=10')
    }
  })

  it('tells a reader on another instance than the one that accepted', async () => {
    const requestId = requestIdOf(await book(server, ''))
    const reading = timed(read(other, requestId, 'wait=10'))
    await waitForWaiters(other, 1)
    await startConsumer()
    const answer = await reading
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.ms).toBeLessThan(8_000)
  })

  it('sends one message for all who wait on one instance for outcomes of one batch', async () => {
    const waiting = Array.from({ length: 20 }, () => book(server, 'wait=10'))
    await waitForWaiters(server, 20)
    const [record = ''] = await world.redis.keys(`${world.keyPrefix}*r:*`)
    const addresses = await Promise.all(
      (await world.redis.keys(`${world.keyPrefix}*r:*`)).map((key) => world.redis.hget(key, 'waiting')),
    )
    const [address = ''] = addresses.filter((each) => each !== null)
    const messages: string[] = []
    const listener = world.redis.duplicate()
    listener.on('smessage', (_channel: string, message: string) => messages.push(message))
    // Records and replies of a shard share its tag.
    await listener.ssubscribe(`${record.slice(0, record.indexOf('}') + 1)}w:${address}`)
    await startConsumer()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(waiting.map(() => 200))
    expect(messages.length).toBeLessThanOrEqual(2)
    expect(messages.flatMap((message) => JSON.parse(message) as unknown[])).toHaveLength(20)
    listener.disconnect()
  })

  it('finds the outcome when no message came', async () => {
    const waiting = timed(book(server, 'wait=2'))
    await waitForWaiters(server, 1)
    for (const key of await world.redis.keys(`${world.keyPrefix}*r:*`)) await world.redis.hdel(key, 'waiting')
    await startConsumer()
    const answer = await waiting
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.ms).toBeGreaterThan(1_990)
  })

  it('finds it soon after the connection that it listens on broke', async () => {
    const waiting = timed(book(server, 'wait=15'))
    await waitForWaiters(server, 1)
    for (const key of await world.redis.keys(`${world.keyPrefix}*r:*`)) await world.redis.hdel(key, 'waiting')
    await startConsumer()
    await world.settled()
    await world.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const answer = await waiting
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.ms).toBeLessThan(10_000)
  })

  it('looks for the outcome where it cannot listen', async () => {
    const user = `deaf${randomBytes(4).toString('hex')}`
    const deaf = await world.startFunctions({ REDIS_URL: await urlOf(user, '&*', '-ssubscribe') })
    const waiting = timed(book(deaf, 'wait=10'))
    await waitForWaiters(deaf, 1)
    await startConsumer()
    const answer = await waiting
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.ms).toBeLessThan(8_000)
    await world.redis.acl('DELUSER', user)
  })

  it('looks for the outcome when the time is over where the consumer may not publish, which settles all the same', async () => {
    const user = `mute${randomBytes(4).toString('hex')}`
    consumer = await world.startConsumer({ REDIS_URL: await urlOf(user, 'resetchannels') })
    const answer = await timed(book(server, 'wait=1'))
    expect([answer.status, answer.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(answer.ms).toBeGreaterThan(990)
    await world.settled()
    expect(await consumer.count('settleFailures')).toBe(0)
    await world.redis.acl('DELUSER', user)
  })

  it('is over at once for a reader while whose asking it was decided and cancelled', async () => {
    // Of its own, because what is decided here would be in the way of a consumer's places.
    const undecided = await World.create()
    const toRedis = await FaultyProxy.inFrontOf(inject('redisUrl'))
    await undecided.putPerformance('hamlet')
    const direct = await undecided.startFunctions()
    const slow = await undecided.startFunctions({ REDIS_URL: toRedis.urlOf(inject('redisUrl')) })
    const json = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
    const requestId = requestIdOf(await book(direct, '', 'cancelled', json))
    // It listens from now on.
    expect((await read(slow, requestId, 'wait=1')).body['status']).toBe('PENDING')
    const asking = toRedis.trap(askForOutcomeScript, 'hold-before')
    const reading = timed(read(slow, requestId, 'wait=10'))
    await asking.sprung
    // As settling leaves it after a cancel: Redis knows that it is cancelled, and MySQL the rest.
    await storeDecision(direct, { requestId, customerId: 'alice', wish: json, status: 'CANCELLED' })
    await undecided.redis.hset(direct.keys.record(requestId), { status: 'CANCELLED', place: '2' })
    await undecided.redis.del(direct.keys.outcome(requestId))
    asking.release()
    const answer = await reading
    expect([answer.status, answer.body['status']]).toEqual([200, 'CANCELLED'])
    expect(answer.ms).toBeLessThan(8_000)
    await undecided.end()
    await toRedis.close()
  })

  it('is not granted to more than fit, who are answered at once', async () => {
    const waiting = book(other, 'wait=10')
    await waitForWaiters(other, 1)
    const refused = await timed(book(other, 'wait=10'))
    expect([refused.status, refused.headers.get('preference-applied')]).toEqual([202, null])
    expect(refused.ms).toBeLessThan(2_000)
    await startConsumer()
    expect((await waiting).status).toBe(200)
  })

  it('costs nothing any more when the client hangs up', async () => {
    const client = new AbortController()
    const waiting = fetch(`${server.url}/bookings`, {
      method: 'POST',
      signal: client.signal,
      headers: {
        authorization: `Bearer ${await tokenFor('alice')}`,
        'content-type': 'application/json',
        'idempotency-key': randomBytes(8).toString('hex'),
        prefer: 'wait=20',
      },
      body: JSON.stringify(wish()),
    }).catch((error: unknown) => error)
    await waitForWaiters(server, 1)
    client.abort()
    await waiting
    await waitForWaiters(server, 0)
  })

  it('is no way to somebody else’s booking', async () => {
    const requestId = requestIdOf(await book(server, ''))
    const foreign = await server.ask(`/bookings/${requestId}`, {
      as: 'mallory',
      headers: { prefer: 'wait=10' },
    })
    expect(foreign.status).toBe(404)
    expect(await waitersOf(server)).toBe(0)
  })
})
