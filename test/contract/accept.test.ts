import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deriveRequestId } from '../../shared/request-id.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { partitionOf } from '../../shared/placement.ts'
import { shardOf, showOutcome, storeDecision, streamed } from './settled.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1', '1-2'] }

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({
    databaseUrl: database.url,
    settings: { RATE_LIMIT: '5', RATE_WINDOW_MS: '60000', BACKLOG_CAP: '40' },
  })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

const someone = () => `c-${randomBytes(6).toString('hex')}`
const commandsOf = async (customerId: string) =>
  (await streamed(server)).filter((command) => command['customerId'] === customerId)

/** What a test has put there would fill the streams for the others. */
const emptyStreamOf = (performanceId: string) =>
  server.redis.del(server.keys.stream(partitionOf(server.topology, performanceId, 'A')))

describe('POST /bookings', () => {
  it('accepts a booking and puts it on its stream', async () => {
    const customer = someone()
    const answer = await server.book(customer, wish, 'key-1')
    const requestId = deriveRequestId(customer, 'hamlet', 'key-1')
    expect(answer.status).toBe(202)
    expect(answer.body).toEqual({ requestId, status: 'PENDING' })
    expect(answer.headers.get('location')).toBe(`/bookings/${requestId}`)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await commandsOf(customer)).toEqual([
      expect.objectContaining({ kind: 'book', requestId, seatIds: ['1-1', '1-2'], topologyVersion: 1 }),
    ])
    // However long it waits, and whatever becomes of Redis' clock: what is undecided is not forgotten.
    for (const key of [server.keys.record(requestId), server.keys.outcome(requestId)]) {
      expect(await server.redis.pttl(key)).toBe(-1)
    }
  })

  it('accepts the same wish once, whether the key is quoted or bare and however the seats are ordered', async () => {
    const customer = someone()
    const first = await server.book(customer, wish, 'same')
    const again = await server.book(customer, { ...wish, seatIds: ['1-2', '1-1'] }, '"same"')
    expect(again.status).toBe(202)
    expect(again.body).toEqual(first.body)
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('takes what comes at once as if it came one by one, though one of them meets what is broken', async () => {
    const customers = Array.from({ length: 20 }, someone)
    const culprit = customers[7] ?? ''
    await server.redis.set(server.keys.record(deriveRequestId(culprit, 'hamlet', 'at-once')), 'no hash')
    const answers = await Promise.all(customers.map((customer) => server.book(customer, wish, 'at-once')))
    expect(answers.map(({ status }) => status)).toEqual(
      customers.map((customer) => (customer === culprit ? 504 : 202)),
    )
    const commands = (await streamed(server)).map((command) => String(command['customerId']))
    for (const customer of customers) {
      expect(commands.filter((found) => found === customer)).toHaveLength(customer === culprit ? 0 : 1)
    }
    await emptyStreamOf('hamlet')
  })

  it('counts those that come at once against the same bounds', async () => {
    const eager = someone()
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => server.book(eager, wish, `eager-${i}`)),
    )
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(5)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(3)
    const crowd = await Promise.all(
      Array.from({ length: 60 }, () => server.book(someone(), { ...wish, performanceId: 'crowded' }, 'k')),
    )
    const inStream = (await streamed(server)).filter((command) => command['performanceId'] === 'crowded')
    expect(inStream.length).toBeLessThanOrEqual(40)
    expect(crowd.filter(({ status }) => status === 202)).toHaveLength(inStream.length)
    expect(crowd.filter(({ status }) => status === 503)).toHaveLength(60 - inStream.length)
    await emptyStreamOf('crowded')
    await emptyStreamOf('hamlet')
  })

  it('accepts one of many equal wishes that come at once', async () => {
    const customer = someone()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => server.book(customer, wish, 'at-once')),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('refuses a key that came before with another body', async () => {
    const customer = someone()
    await server.book(customer, wish, 'reused')
    const other = await server.book(customer, { ...wish, seatIds: ['1-3'] }, 'reused')
    expect(other.status).toBe(422)
    expect(other.body['type']).toBe('urn:frontrow:problem:idempotency-key-reused')
    expect(await commandsOf(customer)).toHaveLength(1)
  })

  it('keeps the keys of customers and performances apart', async () => {
    const answers = await Promise.all([
      server.book(someone(), wish, 'shared'),
      server.book(someone(), wish, 'shared'),
      server.book(someone(), { ...wish, performanceId: 'macbeth' }, 'shared'),
    ])
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
    expect(new Set(answers.map(({ body }) => body['requestId'])).size).toBe(3)
  })

  it('answers with the outcome once there is one', async () => {
    const customer = someone()
    const { body } = await server.book(customer, wish, 'decided')
    await showOutcome(server, String(body['requestId']), { status: 'CONFIRMED' })
    const again = await server.book(customer, wish, 'decided')
    expect(again.status).toBe(200)
    expect(again.body).toMatchObject({ ...wish, status: 'CONFIRMED' })
    expect(again.body).not.toHaveProperty('customerId')
  })

  it('answers with the outcome from MySQL when Redis has forgotten it, and with the status alone without both', async () => {
    const customer = someone()
    const { body } = await server.book(customer, wish, 'forgotten')
    const requestId = String(body['requestId'])
    await showOutcome(server, requestId, { status: 'CONFIRMED' })
    await server.redis.del(server.keys.outcome(requestId))
    const statusOnly = await server.book(customer, wish, 'forgotten')
    expect([statusOnly.status, statusOnly.body]).toEqual([202, { requestId, status: 'CONFIRMED' }])
    await storeDecision(server, { requestId, customerId: customer, wish, status: 'CONFIRMED' })
    const again = await server.book(customer, wish, 'forgotten')
    expect(again.status).toBe(200)
    expect(again.body).toMatchObject({ ...wish, requestId, status: 'CONFIRMED' })
  })

  it('accepts anew what Redis has forgotten altogether: the consumer drops it as decided', async () => {
    const customer = someone()
    const { body } = await server.book(customer, wish, 'expired')
    const requestId = String(body['requestId'])
    await server.redis.del(server.keys.record(requestId), server.keys.outcome(requestId))
    const again = await server.book(customer, wish, 'expired')
    expect(again.status).toBe(202)
    expect(again.body).toEqual({ requestId, status: 'PENDING' })
  })

  it('goes on after the scripts were flushed from Redis', async () => {
    expect((await server.book(someone(), wish)).status).toBe(202)
    await server.redis.script('FLUSH')
    const answers = await Promise.all([server.book(someone(), wish), server.book(someone(), wish)])
    expect(answers.map(({ status }) => status)).toEqual([202, 202])
  })
})

describe('POST /bookings, refused for lack of something', () => {
  it('refuses a customer who asks too often, counting only what was accepted', async () => {
    const customer = someone()
    for (let i = 0; i < 5; i++) expect((await server.book(customer, wish)).status).toBe(202)
    const refused = await server.book(customer, wish, 'one-too-many')
    expect(refused.status).toBe(429)
    expect(refused.body['type']).toBe('urn:frontrow:problem:rate-limited')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(await commandsOf(customer)).toHaveLength(5)
    expect((await server.book(someone(), wish)).status).toBe(202)
  })

  it('refuses everybody while memory is short', async () => {
    const key = server.keys.pressure(shardOf(server, 'hamlet'))
    await server.redis.set(key, '1')
    const customer = someone()
    const refused = await server.book(customer, wish)
    await server.redis.del(key)
    expect(refused.status).toBe(503)
    expect(refused.body['type']).toBe('urn:frontrow:problem:overloaded')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await commandsOf(customer)).toHaveLength(0)
  })

  it('refuses at once what asks for a seat that is marked as somebody else’s, and says which', async () => {
    const marks = server.keys.takenSeats(shardOf(server, 'hamlet'))
    const [redisId = ''] = /(?<=^master_replid:)\w+/m.exec(await server.redis.info('replication')) ?? []
    const holder = deriveRequestId('somebody', 'hamlet', 'k')
    await server.redis.hset(marks, { '': redisId, 'hamlet/A/1-2': holder })
    const customer = someone()
    const refused = await server.book(customer, wish)
    const beside = await server.book(customer, { ...wish, seatIds: ['1-1', '1-3'] })
    const elsewhere = await server.book(customer, { ...wish, sectionId: 'B' })
    await server.redis.del(marks)
    expect(refused.status).toBe(409)
    expect(refused.body).toMatchObject({ type: 'urn:frontrow:problem:seats-taken', seatIds: ['1-2'] })
    expect([beside.status, elsewhere.status]).toEqual([202, 202])
    expect(await commandsOf(customer)).toHaveLength(2)
  })

  it('refuses what would lengthen a backlog at its cap', async () => {
    const crowded = { ...wish, sectionId: 'crowded' }
    for (let i = 0; i < 40; i++) expect((await server.book(someone(), crowded)).status).toBe(202)
    const customer = someone()
    const refused = await server.book(customer, crowded)
    expect(refused.status).toBe(503)
    expect(refused.body['type']).toBe('urn:frontrow:problem:overloaded')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await commandsOf(customer)).toHaveLength(0)
  })
})
