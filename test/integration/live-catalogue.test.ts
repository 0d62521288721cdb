import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FunctionServer } from '../support/function-server.ts'
import { bookAndWait, cancelAndWait, World } from '../support/world.ts'

describe('a catalogue that changes under a sale', () => {
  let world: World
  let server: FunctionServer

  beforeAll(async () => {
    world = await World.create()
    server = await world.startFunctions()
    await world.startConsumer()
  })
  afterAll(async () => {
    await world.end()
  })

  const book = (
    performanceId: string,
    sectionId: string,
    ...seatIds: string[]
  ): ReturnType<typeof bookAndWait> => bookAndWait(server, 'alice', { performanceId, sectionId, seatIds })

  it('sells what a PUT adds, while its sections are being booked', async () => {
    await world.putPerformance('extended', { seats: 10 })
    const sale = { on: true }
    const outcomes: unknown[] = []
    const selling = (async () => {
      for (let i = 1; sale.on; i++) outcomes.push((await book('extended', 'A', `1-${i}`))['status'])
    })()
    for (let seats = 20; seats <= 100; seats += 20) {
      expect(await world.putPerformance('extended', { seats, sections: ['A', 'B'] })).toMatchObject({
        kind: 'updated',
      })
      expect(await book('extended', 'B', `1-${seats}`)).toMatchObject({ status: 'CONFIRMED' })
    }
    sale.on = false
    await selling
    expect(outcomes.length).toBeGreaterThan(0)
    expect(outcomes.filter((status) => status !== 'CONFIRMED')).toEqual([])
    await world.settled()
    const report = await world.audit('extended')
    expect(report.findings).toEqual([])
    const versions = (await world.knex('decisions').distinct().pluck('performance_version')) as number[]
    expect(versions.length).toBeGreaterThan(3)
  })

  it('sells a performance that was asked for before it was there', async () => {
    expect(await book('later', 'A', '1-1')).toMatchObject({
      status: 'REJECTED',
      reason: { code: 'UNKNOWN_PERFORMANCE' },
    })
    await world.putPerformance('later')
    expect(await book('later', 'A', '1-1')).toMatchObject({ status: 'CONFIRMED' })
    expect(await book('later', 'B', '1-1')).toMatchObject({ reason: { code: 'UNKNOWN_SECTION' } })
    await world.putPerformance('later', { sections: ['A', 'B'] })
    expect(await book('later', 'B', '1-1')).toMatchObject({ status: 'CONFIRMED' })
    expect((await world.audit('later')).findings).toEqual([])
  })

  it('takes no sold seat out, and sells none that was taken out', async () => {
    await world.putPerformance('shrunk', { seats: 5 })
    const sold = await book('shrunk', 'A', '1-5')
    expect(await world.putPerformance('shrunk', { seats: 4 })).toEqual({
      kind: 'seats-sold',
      seats: [{ sectionId: 'A', seatId: '1-5' }],
    })
    await cancelAndWait(server, 'alice', String(sold['requestId']))
    expect(await world.putPerformance('shrunk', { seats: 4 })).toMatchObject({ kind: 'updated', version: 2 })
    expect(await book('shrunk', 'A', '1-5')).toMatchObject({
      reason: { code: 'UNKNOWN_SEAT', seatIds: ['1-5'] },
    })
    expect((await world.audit('shrunk')).findings).toEqual([])
  })

  it('never sells a seat that is being taken out', { timeout: 60_000 }, async () => {
    await world.putPerformance('contested', { seats: 40 })
    // Each round, a booking of the last seat races with a PUT that leaves it out.
    for (let seats = 39; seats > 19; seats--) {
      const [booked, put] = await Promise.all([
        book('contested', 'A', `1-${seats + 1}`),
        world.putPerformance('contested', { seats }),
      ])
      const [confirmed, removed] = [booked['status'] === 'CONFIRMED', put.kind === 'updated']
      expect(confirmed).not.toBe(removed)
      if (confirmed) {
        await cancelAndWait(server, 'alice', String(booked['requestId']))
        expect(await world.putPerformance('contested', { seats })).toMatchObject({ kind: 'updated' })
      }
    }
    expect((await world.audit('contested')).findings).toEqual([])
  })

  it('keeps the sale window and the start by the time of acceptance', async () => {
    await world.putPerformance('early', { saleOpensAt: '2098-01-01T00:00:00Z' })
    expect(await book('early', 'A', '1-1')).toMatchObject({ reason: { code: 'SALE_NOT_OPEN' } })
    await world.putPerformance('early', { saleClosesAt: '2020-01-01T00:00:00Z' })
    expect(await book('early', 'A', '1-1')).toMatchObject({ reason: { code: 'SALE_CLOSED' } })
    await world.putPerformance('early', {})
    expect(await book('early', 'A', '1-1')).toMatchObject({ status: 'CONFIRMED' })
    expect((await world.audit('early')).findings).toEqual([])
  })

  it('keeps Hamlet and hamlet apart', async () => {
    await world.putPerformance('Case')
    await world.putPerformance('case')
    expect(await book('Case', 'A', '1-1')).toMatchObject({ status: 'CONFIRMED' })
    expect(await book('case', 'A', '1-1')).toMatchObject({ status: 'CONFIRMED' })
    expect(await book('case', 'a', '1-1')).toMatchObject({ reason: { code: 'UNKNOWN_SECTION' } })
  })
})
