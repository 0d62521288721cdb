import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, until, type Answered, type FunctionServer } from '../support/function-server.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

/** The log's lines about an exchange, when there are as many as expected: they come by a pipe, perhaps after the answer. */
async function linesAbout(answer: Answered, count: number): Promise<string[]> {
  const id = answer.headers.get('x-request-id') ?? '-'
  const found = (): string[] =>
    server
      .logged()
      .split('\n')
      .filter((line) => line.includes(id))
  await until(() => found().length >= count).catch(() => {
    throw new Error(
      `${count} lines about ${id} were waited for in vain; the log ends: ${server.logged().slice(-2_000)}`,
    )
  })
  expect(found()).toHaveLength(count)
  return found()
}

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
    // Where no process lives on, there is nothing to say of it.
    expect(text.includes('process_cpu_seconds_total')).toBe(server.platform.longLived)
  })

  it('logs one line an exchange, and nothing of who asked or what was promised', async () => {
    const key = 'a-very-secret-key'
    const accepted = await server.book('very-private-customer', wish, key)
    const lines = await linesAbout(accepted, 1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      method: 'POST',
      route: '/bookings',
      status: 202,
      ms: expect.any(Number) as number,
      requestId: accepted.body['requestId'],
    })
    expect(server.logged()).not.toContain('very-private-customer')
    expect(server.logged()).not.toContain(key)
    expect(server.logged()).not.toContain('Bearer')
  })

  it('says nothing of what went wrong inside, except to the log', async () => {
    const { body } = await server.book('bob', wish, 'broken')
    const requestId = String(body['requestId'])
    await server.redis.hset(server.keys.record(requestId), 'status', 'NO_SUCH_STATUS')
    const broken = await server.book('bob', wish, 'broken')
    expect([broken.status, broken.body['type']]).toEqual([500, 'urn:frontrow:problem:internal'])
    expect(broken.text).not.toMatch(/Zod|PENDING|\.ts/)
    expect(broken.body['detail']).toContain(broken.headers.get('x-request-id'))
    await linesAbout(broken, 2)

    await server.knex.raw('ALTER TABLE decisions CHANGE seat_ids seat_ids_away VARCHAR(700) NOT NULL')
    const unread = await server.ask('/bookings/' + '0'.repeat(36), { as: 'bob' })
    await server.knex.raw('ALTER TABLE decisions CHANGE seat_ids_away seat_ids VARCHAR(700) NOT NULL')
    expect([unread.status, unread.body['type']]).toEqual([503, 'urn:frontrow:problem:unavailable'])
    expect(unread.text).not.toContain('seat_ids')
    await until(() => server.logged().includes('"errno":1054'))
  })
})
