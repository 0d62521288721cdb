import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FunctionServer } from '../support/function-server.ts'
import { requestIdOf, World, type RunningConsumer } from '../support/world.ts'

/** What a platform without a process that lives on does by looking; integration/wait-for-outcome has the rest for Node. */

let world: World
let server: FunctionServer
let consumer: RunningConsumer

beforeAll(async () => {
  world = await World.create()
  await world.putPerformance('hamlet')
  server = await world.startFunctions({ CORS_ORIGINS: '*' })
  consumer = await world.startConsumer()
})

afterAll(async () => {
  await world.end()
})

const book = (key: string, seatId: string, prefer: string) =>
  server.ask('/bookings', {
    method: 'POST',
    as: 'alice',
    json: { performanceId: 'hamlet', sectionId: 'A', seatIds: [seatId] },
    headers: { 'idempotency-key': key, prefer },
  })

describe('Prefer: wait', () => {
  it('answers with the outcome, confirmed or not, in one round trip', async () => {
    const first = await book('first', '1-1', 'wait=10')
    expect([first.status, first.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(first.headers.get('preference-applied')).toBe('wait=10')
    const second = await book('second', '1-1', 'wait=10')
    expect([second.status, second.body['status'], second.body['reason']]).toEqual([
      200,
      'REJECTED',
      { code: 'SEAT_TAKEN', seatIds: ['1-1'] },
    ])
  })

  it('tells a reader, too', async () => {
    const requestId = requestIdOf(await book('third', '1-2', ''))
    const read = await server.ask(`/bookings/${requestId}`, { as: 'alice', headers: { prefer: 'wait=10' } })
    expect([read.status, read.body['status']]).toEqual([200, 'CONFIRMED'])
    expect(read.headers.get('preference-applied')).toBe('wait=10')
  })

  it('answers what it knows when the time is over', async () => {
    await consumer.stop()
    const startedAt = performance.now()
    const answer = await book('fourth', '1-3', 'wait=1')
    expect([answer.status, answer.body['status']]).toEqual([202, 'PENDING'])
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(performance.now() - startedAt).toBeGreaterThan(990)
  })
})

describe('the stream of seat changes', () => {
  it('is there where a process lives on, and elsewhere is said not to be', async () => {
    const client = new AbortController()
    const response = await fetch(`${server.url}/performances/hamlet/seat-changes`, { signal: client.signal })
    const type = response.headers.get('content-type')
    if (server.platform.longLived) {
      expect([response.status, type]).toEqual([200, 'text/event-stream'])
    } else {
      expect([response.status, type]).toEqual([501, 'application/problem+json'])
      expect(await response.json()).toMatchObject({ type: 'urn:frontrow:problem:not-offered' })
    }
    client.abort()
  })
})
