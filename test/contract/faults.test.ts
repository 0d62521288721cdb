import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { deriveRequestId } from '../../shared/request-id.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { startFunctionServer, until, type Answered, type FunctionServer } from '../support/function-server.ts'
import { shardOf, showOutcome, storeDecision, streamed } from './settled.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let server: FunctionServer
let database: TemporaryDatabase
let redisProxy: FaultyProxy
let mysqlProxy: FaultyProxy
const user = `t${randomBytes(6).toString('hex')}`

beforeAll(async () => {
  database = await temporaryDatabase()
  redisProxy = await FaultyProxy.inFrontOf(inject('redisUrl'))
  mysqlProxy = await FaultyProxy.inFrontOf(database.url)
  server = await startFunctionServer({
    databaseUrl: database.url,
    through: { redisUrl: redisProxy.urlOf(inject('redisUrl')), databaseUrl: mysqlProxy.urlOf(database.url) },
    settings: { RATE_LIMIT: '0' },
  })
})

afterAll(async () => {
  await server.redis.acl('DELUSER', user)
  await server.stop()
  await redisProxy.close()
  await mysqlProxy.close()
  await database.drop()
})

afterEach(async () => {
  redisProxy.fault = 'pass'
  redisProxy.delayMs = 0
  redisProxy.disarm()
  mysqlProxy.fault = 'pass'
  await until(async () => (await server.ask('/readyz')).status === 200)
})

const someone = () => `c-${randomBytes(6).toString('hex')}`
const commandsOf = async (customerId: string) =>
  (await streamed(server)).filter((command) => command['customerId'] === customerId)
const typeOf = ({ status, body }: Answered) => [
  status,
  String(body['type']).replace('urn:frontrow:problem:', ''),
]
const checks = async () => (await server.ask('/readyz')).body['checks']

describe('while Redis is away', () => {
  it('refuses, is not ready, carries nothing out later, and goes on afterwards', async () => {
    const customer = someone()
    redisProxy.fault = 'down'
    await until(async () => (await server.ask('/readyz')).status === 503)
    expect(await checks()).toMatchObject({ redis: 'away', mysql: 'ok', topology: 'ok' })
    expect((await server.ask('/livez')).status).toBe(200)
    const refused = await server.book(customer, wish, 'k')
    expect(typeOf(refused)).toEqual([503, 'unavailable'])
    expect(refused.headers.get('retry-after')).toBe('1')
    redisProxy.fault = 'pass'
    await until(async () => (await server.ask('/readyz')).status === 200)
    expect(await commandsOf(customer)).toHaveLength(0)
    expect((await server.book(customer, wish, 'k')).status).toBe(202)
  })

  it('reads from MySQL what is decided, and cannot tell of the rest', async () => {
    const customer = someone()
    const decided = deriveRequestId(customer, 'hamlet', 'decided')
    await storeDecision(server, { requestId: decided, customerId: customer, wish, status: 'CONFIRMED' })
    redisProxy.fault = 'down'
    await until(async () => (await server.ask('/readyz')).status === 503)
    expect((await server.ask(`/bookings/${decided}`, { as: customer })).body['status']).toBe('CONFIRMED')
    expect((await server.ask(`/bookings/${decided}`, { as: someone() })).status).toBe(404)
    const undecided = deriveRequestId(customer, 'hamlet', 'undecided')
    expect(typeOf(await server.ask(`/bookings/${undecided}`, { as: customer }))).toEqual([503, 'unavailable'])
    expect(typeOf(await server.ask(`/bookings/${undecided}`, { as: customer, method: 'DELETE' }))).toEqual([
      503,
      'unavailable',
    ])
    expect(typeOf(await server.ask(`/bookings/${decided}`, { as: customer, method: 'DELETE' }))).toEqual([
      503,
      'unavailable',
    ])
  })
})

describe('when Redis does not answer', () => {
  it('says that it cannot know, and the same key finds out', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'silent')
    const trap = redisProxy.trap(customer, 'hold-before')
    const unknown = await server.book(customer, wish, 'silent')
    expect(typeOf(unknown)).toEqual([504, 'answer-unknown'])
    expect(unknown.headers.get('location')).toBe(`/bookings/${requestId}`)
    expect(unknown.headers.get('retry-after')).toBe('1')
    trap.release()
    // A silent connection is given up by itself, and from then on the answer is a clear no.
    redisProxy.fault = 'swallow'
    await until(async () => (await server.ask('/readyz')).status === 503)
    expect(typeOf(await server.book(someone(), wish))).toEqual([503, 'unavailable'])
    redisProxy.fault = 'pass'
    await until(async () => (await server.ask('/readyz')).status === 200)
    const again = await server.book(customer, wish, 'silent')
    expect([again.status, again.body]).toEqual([202, { requestId, status: 'PENDING' }])
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('asks again by itself when the connection breaks, and accepts once', async () => {
    const customer = someone()
    const trap = redisProxy.trap(customer, 'lose-answer')
    expect((await server.book(customer, wish, 'cut')).status).toBe(202)
    await trap.answered
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('never says no to what the broken connection may have carried out', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'cut-off')
    const pressure = server.keys.pressure(shardOf(server, 'hamlet'))
    const trap = redisProxy.trap(customer, 'lose-answer')
    redisProxy.delayMs = 50
    const answer = server.book(customer, wish, 'cut-off')
    // Redis forgets what it did and has no room any more: the second run hears a refusal.
    await trap.answered
    expect(await server.redis.del(server.keys.record(requestId))).toBe(1)
    await server.redis.set(pressure, '1')
    const unknown = await answer
    redisProxy.delayMs = 0
    await server.redis.del(pressure)
    expect(typeOf(unknown)).toEqual([504, 'answer-unknown'])
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('does the same for a cancel', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'confirmed')
    await storeDecision(server, { requestId, customerId: customer, wish, status: 'CONFIRMED' })
    redisProxy.fault = 'swallow'
    const unknown = await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: customer })
    expect([503, 504]).toContain(unknown.status)
    const cancels = (await commandsOf(customer)).filter(({ kind }) => kind === 'cancel')
    expect(cancels).toHaveLength(unknown.status === 504 ? 1 : 0)
  })

  it('cannot tell of a booking that only Redis may have', async () => {
    const customer = someone()
    const requestId = String((await server.book(customer, wish, 'to-cancel')).body['requestId'])
    redisProxy.fault = 'swallow'
    const unknown = await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: customer })
    // Not even the booking can be read from a silent Redis, and MySQL does not have it.
    expect(typeOf(unknown)).toEqual([503, 'unavailable'])
    expect((await commandsOf(customer)).filter(({ kind }) => kind === 'cancel')).toHaveLength(0)
  })
})

describe('when Redis answers with an error', () => {
  it('refuses clearly', async () => {
    const password = randomBytes(8).toString('hex')
    await server.redis.acl('SETUSER', user, 'on', `>${password}`, '~*', '+@all', '-eval', '-evalsha')
    const url = new URL(inject('redisUrl'))
    url.username = user
    url.password = password
    const limited = await startFunctionServer({ databaseUrl: database.url, through: { redisUrl: url.href } })
    const refused = await limited.book(someone(), wish)
    expect(typeOf(refused)).toEqual([503, 'unavailable'])
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await streamed(limited)).toHaveLength(0)
    await limited.stop()
  })
})

describe('the topology', () => {
  const mark = () => server.keys.topology(shardOf(server, 'hamlet'))

  it('is put back where it vanished', async () => {
    await server.redis.del(mark())
    expect((await server.book(someone(), wish)).status).toBe(202)
    expect(await server.redis.get(mark())).toBe('1:4x16')
  })

  it('of a shard that is ahead of MySQL refuses', async () => {
    await server.redis.set(mark(), '2:8x16')
    const refused = await server.book(someone(), wish)
    expect(typeOf(refused)).toEqual([503, 'unavailable'])
    await server.redis.set(mark(), '1:4x16')
    expect((await server.book(someone(), wish)).status).toBe(202)
  })

  it('is loaded anew when it has changed', async () => {
    const other = await startFunctionServer({ databaseUrl: database.url })
    await server
      .knex('topology')
      .insert({ version: 2, shards: 4, partitions_per_shard: 32, created_at_ms: Date.now() })
    for (let shard = 0; shard < 4; shard++) await other.redis.set(other.keys.topology(shard), '2:4x32')
    const customer = someone()
    expect((await other.book(customer, wish)).status).toBe(202)
    await server.knex('topology').where({ version: 2 }).delete()
    const commands = await streamed({ ...other, topology: { version: 2, shards: 4, partitionsPerShard: 32 } })
    expect(commands).toEqual([expect.objectContaining({ customerId: customer, topologyVersion: 2 })])
    await other.stop()
  })
})

describe('while MySQL is away', () => {
  it('accepts, shows and cancels what Redis knows', async () => {
    const customer = someone()
    mysqlProxy.fault = 'down'
    await until(async () => ((await checks()) as Record<string, string>)['mysql'] === 'away')
    expect((await server.ask('/readyz')).status).toBe(200)
    const accepted = await server.book(customer, wish, 'k')
    expect(accepted.status).toBe(202)
    const requestId = String(accepted.body['requestId'])
    expect((await server.ask(`/bookings/${requestId}`, { as: customer })).body['status']).toBe('PENDING')
    expect((await server.ask(`/bookings/${requestId}`, { as: customer, method: 'DELETE' })).status).toBe(202)
    await showOutcome(server, requestId, { status: 'CONFIRMED' })
    expect((await server.book(customer, wish, 'k')).status).toBe(200)
    await server.redis.del(server.keys.outcome(requestId))
    const statusOnly = await server.book(customer, wish, 'k')
    expect([statusOnly.status, statusOnly.body]).toEqual([202, { requestId, status: 'CONFIRMED' }])
  })

  it.each([
    ['GET', '/bookings'],
    ['GET', `/bookings/${deriveRequestId('x', 'hamlet', 'y')}`],
    ['GET', '/performances'],
    ['GET', '/performances/hamlet'],
    ['GET', '/performances/hamlet/sections/A/seats'],
    ['PUT', '/performances/hamlet'],
  ])('refuses %s %s, soon, whether MySQL is gone or silent', async (method, path) => {
    const definition = {
      title: 'Hamlet',
      venue: 'Opera House',
      startsAt: '2099-01-01T19:00:00Z',
      sections: [{ id: 'A', name: 'Stalls', rows: [{ id: '1', seats: 3 }] }],
    }
    for (const fault of ['down', 'swallow'] as const) {
      mysqlProxy.fault = fault
      const startedAt = performance.now()
      const answer = await server.ask(path, {
        method,
        as: someone(),
        scope: 'admin',
        ...(method === 'PUT' ? { json: definition } : {}),
      })
      expect(typeOf(answer)).toEqual([503, 'unavailable'])
      expect(performance.now() - startedAt).toBeLessThan(2_500)
    }
  })

  it('starts all the same, and becomes ready when it can', async () => {
    mysqlProxy.fault = 'down'
    const late = await startFunctionServer({
      databaseUrl: database.url,
      through: { databaseUrl: mysqlProxy.urlOf(database.url) },
      unready: true,
    })
    const unready = await late.ask('/readyz')
    expect([unready.status, unready.body['checks']]).toEqual([
      503,
      expect.objectContaining({ topology: 'away' }),
    ])
    expect(typeOf(await late.book(someone(), wish))).toEqual([503, 'unavailable'])
    mysqlProxy.fault = 'pass'
    await until(async () => (await late.ask('/readyz')).status === 200)
    expect((await late.book(someone(), wish)).status).toBe(202)
    await late.stop()
  })
})
