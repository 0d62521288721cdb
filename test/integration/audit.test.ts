import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FindingKind } from '../../consumer/audit/findings.ts'
import type { FunctionServer } from '../support/function-server.ts'
import { bookAndWait, cancelAndWait, World } from '../support/world.ts'

describe('the audit of a spoiled performance', () => {
  let world: World
  let server: FunctionServer
  let round = 0
  let performanceId = ''
  const requests: Record<string, string> = {}

  beforeAll(async () => {
    world = await World.create()
    server = await world.startFunctions()
    await world.startConsumer()
  })
  afterAll(async () => {
    await world.end()
  })

  beforeEach(async () => {
    performanceId = `spoiled-${++round}`
    await world.putPerformance(performanceId)
    const book = async (customer: string, ...seatIds: string[]): Promise<string> =>
      String((await bookAndWait(server, customer, { performanceId, sectionId: 'A', seatIds }))['requestId'])
    requests['alice'] = await book('alice', '1-1', '1-2')
    requests['bob'] = await book('bob', '1-3')
    requests['refused'] = await book('carol', '1-3')
    requests['cancelled'] = await book('dave', '1-4')
    await cancelAndWait(server, 'dave', requests['cancelled'])
    await world.settled()
    expect((await world.audit(performanceId)).findings).toEqual([])
  })

  const row = (name: string): { request_id: string } => ({ request_id: requests[name] ?? '' })
  const seat = (seatId: string): { performance_id: string; seat_id: string } => ({
    performance_id: performanceId,
    seat_id: seatId,
  })
  const kinds = async (): Promise<FindingKind[]> => [
    ...new Set((await world.audit(performanceId)).findings.map(({ kind }) => kind)),
  ]

  it('names a decision that was turned round', async () => {
    await world
      .knex('decisions')
      .where(row('bob'))
      .update({ status: 'REJECTED', reason: 'SEAT_TAKEN', reason_seat_ids: '1-3' })
    expect(await kinds()).toEqual(
      expect.arrayContaining(['decision-differs', 'seat-without-booking', 'redis-differs']),
    )
  })

  it('names a seat sold twice', async () => {
    await world
      .knex('decisions')
      .where(row('refused'))
      .update({ status: 'CONFIRMED', reason: null, reason_seat_ids: null })
    const { findings } = await world.audit(performanceId)
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'seat-sold-twice', seatId: '1-3', requestId: requests['refused'] }),
    )
  })

  it('names a seat whose row is gone', async () => {
    await world.knex('booked_seats').where(seat('1-2')).delete()
    const { findings } = await world.audit(performanceId)
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'booking-without-seat', seatId: '1-2', requestId: requests['alice'] }),
    ])
  })

  it('names a seat that is stored for somebody else', async () => {
    await world.knex('booked_seats').where(seat('1-1')).update(row('bob'))
    expect(await kinds()).toEqual(['seat-of-another'])
  })

  it('names a decision that is gone', async () => {
    await world.knex('decisions').where(row('bob')).delete()
    expect(await kinds()).toEqual(
      expect.arrayContaining([
        'seat-without-booking',
        'sequence-broken',
        'outcome-not-stored',
        'decision-differs',
      ]),
    )
  })

  it('names a rejection that is gone, which left no seat behind', async () => {
    await world.knex('decisions').where(row('refused')).delete()
    expect(await kinds()).toEqual(['sequence-broken', 'outcome-not-stored'])
  })

  it('names an outcome in Redis that differs', async () => {
    const key = world.keys.outcome(requests['bob'] ?? '')
    const outcome = JSON.parse((await world.redis.get(key)) ?? '{}') as Record<string, unknown>
    await world.redis.set(key, JSON.stringify({ ...outcome, status: 'REJECTED' }))
    const { findings } = await world.audit(performanceId)
    expect(findings).toEqual([expect.objectContaining({ kind: 'redis-differs', requestId: requests['bob'] })])
  })

  it('names a seat that left the catalogue while it was sold', async () => {
    await world.knex('seats').where(seat('1-3')).update({ to_version: 2 })
    await world.knex('performances').where({ performance_id: performanceId }).update({ version: 2 })
    const first = (await world
      .knex('performance_versions')
      .where({ performance_id: performanceId })
      .first()) as object
    await world.knex('performance_versions').insert({ ...first, version: 2 })
    expect(await kinds()).toEqual(['seat-not-in-catalogue'])
  })

  it('names a version that is gone', async () => {
    await world.knex('performance_versions').where({ performance_id: performanceId }).update({ version: 7 })
    expect(await kinds()).toContain('version-unknown')
  })

  it('names an epoch that went backwards', async () => {
    await world.knex('decisions').where(row('bob')).update({ epoch: 99 })
    expect(await kinds()).toEqual(['epoch-backwards'])
  })

  it('names an internal rejection without its dead letter', async () => {
    await world.knex('decisions').where(row('refused')).update({ reason: 'INTERNAL', reason_seat_ids: null })
    expect(await kinds()).toEqual(['dead-letter-missing'])
  })
})
