import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeCommand, type Command } from '../../shared/commands.ts'
import { deriveRequestId, slotOfRequestId } from '../../shared/request-id.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { showOutcome, storeDecision, streamed } from './settled.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1', '1-2'] }

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url, settings: { RATE_LIMIT: '0' } })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

const someone = () => `c-${randomBytes(6).toString('hex')}`
const cancelsOf = async (requestId: string) =>
  (await streamed(server)).filter(
    (command) => command['kind'] === 'cancel' && command['requestId'] === requestId,
  )

async function booked(customer: string): Promise<string> {
  const { status, body } = await server.book(customer, wish)
  expect(status).toBe(202)
  return String(body['requestId'])
}

/** Makes a pending request look as old as one that nobody shows the outcome of. */
async function age(requestId: string): Promise<void> {
  const key = server.keys.outcome(requestId)
  const outcome = JSON.parse((await server.redis.get(key)) ?? '{}') as Record<string, unknown>
  await server.redis.set(key, JSON.stringify({ ...outcome, requestedAtUs: (Date.now() - 2_000) * 1_000 }))
}

describe('GET /bookings/{requestId}', () => {
  it('shows a pending request at once', async () => {
    const customer = someone()
    const requestId = await booked(customer)
    const answer = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      requestId,
      ...wish,
      status: 'PENDING',
      requestedAt: expect.any(String) as string,
    })
    expect(Math.abs(Date.parse(String(answer.body['requestedAt'])) - Date.now())).toBeLessThan(5_000)
    expect(answer.headers.get('retry-after')).toBe('1')
  })

  it('shows an outcome and its reason', async () => {
    const customer = someone()
    const requestId = await booked(customer)
    const reason = { code: 'SEAT_TAKEN' as const, seatIds: ['1-2'] }
    await showOutcome(server, requestId, { status: 'REJECTED', reason })
    const answer = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(answer.body).toMatchObject({ status: 'REJECTED', reason, decidedAt: expect.any(String) as string })
    expect(answer.headers.get('retry-after')).toBeNull()
  })

  it('asks MySQL about a request that has been pending for long', async () => {
    const customer = someone()
    const requestId = await booked(customer)
    await age(requestId)
    expect((await server.ask(`/bookings/${requestId}`, { as: customer })).body['status']).toBe('PENDING')
    await storeDecision(server, { requestId, customerId: customer, wish, status: 'CONFIRMED' })
    expect((await server.ask(`/bookings/${requestId}`, { as: customer })).body['status']).toBe('CONFIRMED')
  })

  it('finds in MySQL what Redis has forgotten', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'old')
    await storeDecision(server, {
      requestId,
      customerId: customer,
      wish,
      status: 'REJECTED',
      reason: 'SEAT_TAKEN',
      reasonSeatIds: ['1-1'],
      requestedAtUs: 1_795_000_000_123_456,
    })
    const answer = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(answer.body).toMatchObject({
      requestId,
      ...wish,
      status: 'REJECTED',
      reason: { code: 'SEAT_TAKEN', seatIds: ['1-1'] },
      requestedAt: '2026-11-18T11:06:40.123Z',
    })
  })

  it('tells the status of the newest decision that has one', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'twice')
    const decided = { requestId, customerId: customer, wish }
    await storeDecision(server, { ...decided, status: 'CONFIRMED' })
    await storeDecision(server, { ...decided, command: 'cancel', status: 'CANCELLED' })
    const answer = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(answer.body).toMatchObject({ ...wish, status: 'CANCELLED' })
    expect(answer.body).not.toHaveProperty('reason')
  })

  it('says why a cancel was refused', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'late')
    const decided = { requestId, customerId: customer, wish }
    await storeDecision(server, { ...decided, status: 'CONFIRMED' })
    await storeDecision(server, { ...decided, command: 'cancel', reason: 'PERFORMANCE_STARTED' })
    const answer = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(answer.body).toMatchObject({ status: 'CONFIRMED', reason: { code: 'PERFORMANCE_STARTED' } })
  })

  it('takes a dead letter for a rejection, if the request is known to be the caller’s', async () => {
    const customer = someone()
    const requestId = await booked(customer)
    const command = (await streamed(server)).find((each) => each['requestId'] === requestId) as Command
    await server.knex('dead_letters').insert({
      slot: slotOfRequestId(requestId),
      digest: randomBytes(32).toString('hex'),
      shard: 0,
      partition_number: 0,
      entry_id: '1-1',
      request_id: requestId,
      command: 'book',
      reason: 'test',
      body: JSON.stringify(encodeCommand(command)),
      created_at_ms: Date.now(),
    })
    await server.redis.del(server.keys.outcome(requestId))
    const rejected = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(rejected.body).toMatchObject({ ...wish, status: 'REJECTED', reason: { code: 'INTERNAL' } })
    expect((await server.ask(`/bookings/${requestId}`, { as: someone() })).status).toBe(404)
    await server.redis.del(server.keys.record(requestId))
    expect((await server.ask(`/bookings/${requestId}`, { as: customer })).status).toBe(404)
  })

  it('knows neither foreign requests, nor unknown ones, nor what is no id', async () => {
    const [owner, stranger] = [someone(), someone()]
    const inRedis = await booked(owner)
    const inMysql = deriveRequestId(owner, 'hamlet', 'mine')
    await storeDecision(server, { requestId: inMysql, customerId: owner, wish, status: 'CONFIRMED' })
    const unknown = deriveRequestId(stranger, 'hamlet', 'never')
    for (const id of [
      inRedis,
      inMysql,
      unknown,
      'nonsense',
      `${unknown}0`,
      unknown.toUpperCase(),
      'f'.repeat(36),
    ]) {
      const answer = await server.ask(`/bookings/${id}`, { as: stranger })
      expect([id, answer.status, answer.body['type']]).toEqual([id, 404, 'urn:frontrow:problem:not-found'])
    }
    expect((await server.ask(`/bookings/${inMysql}`, { as: owner })).status).toBe(200)
  })
})

describe('DELETE /bookings/{requestId}', () => {
  const cancel = (requestId: string, as: string) =>
    server.ask(`/bookings/${requestId}`, { method: 'DELETE', as })

  it('puts one cancel behind the booking, however often it is asked for', async () => {
    const customer = someone()
    const requestId = await booked(customer)
    for (let i = 0; i < 2; i++) {
      const answer = await cancel(requestId, customer)
      expect([answer.status, answer.body]).toEqual([202, { requestId, status: 'PENDING' }])
      expect(answer.headers.get('location')).toBe(`/bookings/${requestId}`)
      expect(answer.headers.get('retry-after')).toBe('1')
    }
    expect(await cancelsOf(requestId)).toEqual([
      expect.objectContaining({
        kind: 'cancel',
        requestId,
        customerId: customer,
        performanceId: 'hamlet',
        sectionId: 'A',
      }),
    ])
  })

  it('cancels what is confirmed, and tells its present status', async () => {
    const customer = someone()
    const requestId = deriveRequestId(customer, 'hamlet', 'confirmed')
    await storeDecision(server, { requestId, customerId: customer, wish, status: 'CONFIRMED' })
    const answer = await cancel(requestId, customer)
    expect([answer.status, answer.body]).toEqual([202, { requestId, status: 'CONFIRMED' }])
    expect(await cancelsOf(requestId)).toHaveLength(1)
  })

  it.each(['REJECTED', 'CANCELLED'] as const)('sends no command for what is %s', async (status) => {
    const customer = someone()
    const requestId = await booked(customer)
    await showOutcome(server, requestId, { status })
    const answer = await cancel(requestId, customer)
    expect([answer.status, answer.body]).toEqual([202, { requestId, status }])
    expect(await cancelsOf(requestId)).toHaveLength(0)
  })

  it('does not know foreign or unknown bookings', async () => {
    const owner = someone()
    const requestId = await booked(owner)
    for (const id of [requestId, deriveRequestId(owner, 'hamlet', 'never'), 'nonsense']) {
      expect((await cancel(id, someone())).status).toBe(404)
    }
    expect(await cancelsOf(requestId)).toHaveLength(0)
  })
})
