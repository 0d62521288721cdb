import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let server: FunctionServer
let database: TemporaryDatabase
let logged = ''

beforeAll(async () => {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk)
      done()
    },
  })
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url, log: pino({ level: 'info' }, sink) })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

describe('operations', () => {
  it('is alive and ready', async () => {
    expect((await server.ask('/livez')).status).toBe(200)
    const ready = await server.ask('/readyz')
    expect([ready.status, ready.body]).toEqual([
      200,
      { status: 'ok', checks: { redis: 'ok', mysql: 'ok', topology: 'ok', process: 'ok' } },
    ])
  })

  it('measures accepts and exchanges', async () => {
    await server.book('alice', wish, 'k')
    await server.book('alice', wish, 'k')
    await server.ask('/nowhere')
    const { status, headers, text } = await server.ask('/metrics')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(text).toContain('frontrow_accepts_total{command="book",answer="accepted"} 1')
    expect(text).toContain('frontrow_accepts_total{command="book",answer="known"} 1')
    expect(text).toContain(
      'frontrow_http_request_duration_seconds_count{method="POST",route="/bookings",status="202"} 2',
    )
    expect(text).toContain('route="none",status="404"} 1')
    expect(text).toContain('process_cpu_seconds_total')
  })

  it('logs one line an exchange, and nothing of who asked or what was promised', async () => {
    const key = 'a-very-secret-key'
    const accepted = await server.book('very-private-customer', wish, key)
    const lines = logged
      .split('\n')
      .filter((line) => line.includes(accepted.headers.get('x-request-id') ?? '-'))
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      method: 'POST',
      route: '/bookings',
      status: 202,
      ms: expect.any(Number) as number,
      requestId: accepted.body['requestId'],
    })
    expect(logged).not.toContain('very-private-customer')
    expect(logged).not.toContain(key)
    expect(logged).not.toContain('Bearer')
  })

  it('says nothing of what went wrong inside, except to the log', async () => {
    const { body } = await server.book('bob', wish, 'broken')
    const requestId = String(body['requestId'])
    await server.redis.hset(server.keys.record(requestId), 'status', 'NO_SUCH_STATUS')
    const broken = await server.book('bob', wish, 'broken')
    expect([broken.status, broken.body['type']]).toEqual([500, 'urn:frontrow:problem:internal'])
    expect(broken.text).not.toMatch(/Zod|PENDING|\.ts/)
    const id = broken.headers.get('x-request-id') ?? '-'
    expect(broken.body['detail']).toContain(id)
    expect(logged.split('\n').filter((line) => line.includes(id))).toHaveLength(2)

    await server.knex.raw('ALTER TABLE decisions CHANGE seat_ids seat_ids_away VARCHAR(700) NOT NULL')
    const unread = await server.ask('/bookings/' + '0'.repeat(36), { as: 'bob' })
    await server.knex.raw('ALTER TABLE decisions CHANGE seat_ids_away seat_ids VARCHAR(700) NOT NULL')
    expect([unread.status, unread.body['type']]).toEqual([503, 'urn:frontrow:problem:unavailable'])
    expect(unread.text).not.toContain('seat_ids')
    expect(logged).toContain('"errno":1054')
  })
})
