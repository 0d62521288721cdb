import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FunctionServer } from '../support/function-server.ts'
import {
  bookAndWait,
  cancelAndWait,
  outcomeOf,
  requestIdOf,
  World,
  type RunningConsumer,
} from '../support/world.ts'

describe('the way of a booking', () => {
  let world: World
  let server: FunctionServer
  let consumer: RunningConsumer

  beforeAll(async () => {
    world = await World.create()
    server = await world.startFunctions()
    consumer = await world.startConsumer()
    await world.putPerformance('hamlet', { sections: ['A', 'B', 'C', 'D'] })
  })
  afterAll(async () => {
    await world.end()
  })

  const seats = (
    sectionId: string,
    ...seatIds: string[]
  ): { performanceId: string; sectionId: string; seatIds: string[] } => ({
    performanceId: 'hamlet',
    sectionId,
    seatIds,
  })

  /** Accepts commands while nobody decides, so that they meet in one batch. */
  async function inOneBatch(accept: () => Promise<void>): Promise<void> {
    await consumer.stop()
    await accept()
    consumer = await world.startConsumer()
    await world.settled()
  }

  it('books, refuses what is taken, cancels, and books again', async () => {
    const first = await bookAndWait(server, 'alice', seats('A', '1-1'))
    expect(first).toMatchObject({
      status: 'CONFIRMED',
      performanceId: 'hamlet',
      sectionId: 'A',
      seatIds: ['1-1'],
    })
    const second = await bookAndWait(server, 'bob', seats('A', '1-1'))
    expect(second).toMatchObject({ status: 'REJECTED', reason: { code: 'SEAT_TAKEN', seatIds: ['1-1'] } })
    const cancelled = await cancelAndWait(server, 'alice', String(first['requestId']))
    expect(cancelled).toMatchObject({ status: 'CANCELLED', seatIds: ['1-1'] })
    expect(await bookAndWait(server, 'bob', seats('A', '1-1'))).toMatchObject({ status: 'CONFIRMED' })
  })

  it('takes all the seats of a request or none', async () => {
    await bookAndWait(server, 'alice', seats('B', '1-3'))
    const refused = await bookAndWait(server, 'bob', seats('B', '1-2', '1-3', '1-4'))
    expect(refused).toMatchObject({ status: 'REJECTED', reason: { code: 'SEAT_TAKEN', seatIds: ['1-3'] } })
    expect(await bookAndWait(server, 'carol', seats('B', '1-2', '1-4'))).toMatchObject({
      status: 'CONFIRMED',
    })
  })

  it('answers a retry with the outcome, and refuses another body under the same key', async () => {
    const first = await bookAndWait(server, 'alice', seats('C', '1-1', '1-2'), 'same-key')
    const retry = await server.book('alice', seats('C', '1-2', '1-1'), 'same-key')
    expect(retry).toMatchObject({ status: 200, body: { requestId: first['requestId'], status: 'CONFIRMED' } })
    expect((await server.book('alice', seats('C', '1-5'), 'same-key')).status).toBe(422)
    expect((await server.book('alice', seats('C', '1-5', '1-5'))).status).toBe(422)
  })

  it('tells what does not exist', async () => {
    const code = async (wish: Parameters<FunctionServer['book']>[1]): Promise<unknown> =>
      (await bookAndWait(server, 'alice', wish))['reason']
    expect(await code({ ...seats('A', '1-1'), performanceId: 'macbeth' })).toEqual({
      code: 'UNKNOWN_PERFORMANCE',
    })
    expect(await code(seats('Z', '1-1'))).toEqual({ code: 'UNKNOWN_SECTION' })
    expect(await code(seats('A', '9-9'))).toEqual({ code: 'UNKNOWN_SEAT', seatIds: ['9-9'] })
  })

  it('decides in one batch: a cancel, the next booking of its seat, and a booking behind that', async () => {
    const held = await bookAndWait(server, 'alice', seats('D', '1-1'))
    const requestId = String(held['requestId'])
    let next = ''
    let late = ''
    await inOneBatch(async () => {
      await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: 'alice' })
      next = requestIdOf(await server.book('bob', seats('D', '1-1')))
      late = requestIdOf(await server.book('carol', seats('D', '1-1')))
    })
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({ status: 'CANCELLED' })
    expect(await outcomeOf(server, 'bob', next)).toMatchObject({ status: 'CONFIRMED' })
    expect(await outcomeOf(server, 'carol', late)).toMatchObject({ status: 'REJECTED' })
  })

  it('decides a request once whose entry stands twice in a batch, or comes again later', async () => {
    const stream = world.streamOf('hamlet', 'D')
    let requestId = ''
    let fields: string[] = []
    await inOneBatch(async () => {
      requestId = requestIdOf(await server.book('alice', seats('D', '1-2')))
      fields = (await world.redis.xrange(stream, '-', '+'))[0]?.[1] ?? []
      await world.redis.xadd(stream, '*', ...fields)
    })
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({ status: 'CONFIRMED' })
    await world.redis.xadd(stream, '*', ...fields)
    await world.settled()
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({ status: 'CONFIRMED' })
    const decisions = (await world.knex('decisions').where({ request_id: requestId })) as unknown[]
    expect(decisions).toHaveLength(1)
    expect(await consumer.count('repeats')).toBeGreaterThanOrEqual(1)
  })

  it('that Redis has forgotten meanwhile, or remembers as another wish, is known again once it is decided', async () => {
    const forgotten: string[] = []
    let remembered: Record<string, string> = {}
    await inOneBatch(async () => {
      for (const seatId of ['1-6', '1-7']) {
        const requestId = requestIdOf(await server.book('alice', seats('D', seatId)))
        forgotten.push(requestId)
        remembered = await world.redis.hgetall(world.keys.record(requestId))
      }
      const [gone = '', other = ''] = forgotten
      await world.redis.del(world.keys.record(gone), world.keys.outcome(gone))
      await world.redis.hset(world.keys.record(other), { fingerprint: 'x'.repeat(43), customerId: 'eve' })
    })
    const records = await Promise.all(forgotten.map((id) => world.redis.hgetall(world.keys.record(id))))
    for (const record of records) {
      expect(record).toMatchObject({ customerId: 'alice', sectionId: 'D', status: 'CONFIRMED' })
    }
    expect(records[1]?.['fingerprint']).toBe(remembered['fingerprint'])
    for (const id of forgotten) {
      expect(await outcomeOf(server, 'alice', id)).toMatchObject({ status: 'CONFIRMED' })
    }
  })

  it('frees nothing by a second cancel once somebody else has the seat', async () => {
    const stream = world.streamOf('hamlet', 'D')
    const first = String((await bookAndWait(server, 'alice', seats('D', '1-3')))['requestId'])
    let cancel: string[] = []
    let next = ''
    await inOneBatch(async () => {
      await server.ask(`/bookings/${first}`, { method: 'DELETE', as: 'alice' })
      cancel = (await world.redis.xrange(stream, '-', '+'))[0]?.[1] ?? []
      next = requestIdOf(await server.book('bob', seats('D', '1-3')))
      await world.redis.xadd(stream, '*', ...cancel)
    })
    expect(await outcomeOf(server, 'bob', next)).toMatchObject({ status: 'CONFIRMED' })
    await world.redis.xadd(stream, '*', ...cancel)
    await world.settled()
    const again = await server.ask(`/bookings/${first}`, { method: 'DELETE', as: 'alice' })
    expect(again).toMatchObject({ status: 202, body: { status: 'CANCELLED' } })
    await world.settled()
    expect(await outcomeOf(server, 'bob', next)).toMatchObject({ status: 'CONFIRMED' })
    expect(await outcomeOf(server, 'alice', first)).toMatchObject({ status: 'CANCELLED' })
  })

  it('leaves nothing for the audit to find, and memory that agrees with the database', async () => {
    await world.settled()
    expect(await world.audit('hamlet')).toMatchObject({ findings: [] })
    expect((await world.audit('macbeth')).findings).toEqual([])
    expect(await consumer.count('wrongMemory')).toBe(0)
  })
})
