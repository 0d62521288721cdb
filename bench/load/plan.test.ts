import { describe, expect, it } from 'vitest'
import { seatAt, seatCount, type House } from './house.ts'
import { cancels, seatOf, type BookingPlan } from './plan.ts'
import { RequestTexts } from './request-texts.ts'

const house: House = { performanceIds: ['a', 'b', 'c'], sections: 4, rows: 5, seatsPerRow: 6 }
const plan: BookingPlan = { kind: 'book', house, seats: 'once', keys: 'k' }

const nameOf = (seat: { performanceId: string; sectionId: string; seatId: string }): string =>
  Object.values(seat).join('/')

describe('a house', () => {
  it('has every seat under one number', () => {
    const seats = Array.from({ length: seatCount(house) }, (_, number) => nameOf(seatAt(house, number)))
    expect(new Set(seats).size).toBe(3 * 4 * 5 * 6)
  })

  it('has no more seats than it has', () => {
    expect(() => seatAt(house, seatCount(house))).toThrow(RangeError)
  })
})

describe('a plan', () => {
  it('asks for each seat once', () => {
    expect(new Set(Array.from({ length: 360 }, (_, i) => nameOf(seatOf(plan, i)))).size).toBe(360)
  })

  it('asks for all of the hot seats, about equally often, and the same each time', () => {
    const hot: BookingPlan = { ...plan, seats: 'random' }
    const times = new Map<string, number>()
    for (let request = 0; request < 36_000; request++) {
      const seat = nameOf(seatOf(hot, request))
      expect(nameOf(seatOf(hot, request))).toBe(seat)
      times.set(seat, (times.get(seat) ?? 0) + 1)
    }
    expect(times.size).toBe(360)
    expect(Math.min(...times.values())).toBeGreaterThan(50)
    expect(Math.max(...times.values())).toBeLessThan(150)
  })

  it('gives back every third', () => {
    const mixed: BookingPlan = { ...plan, cancelEvery: 3 }
    expect([0, 1, 2, 3].map((request) => cancels(mixed, request))).toEqual([true, false, false, true])
    expect(cancels(plan, 0)).toBe(false)
  })
})

describe('a request', () => {
  it('says how long its body is', () => {
    const [head = '', body = ''] = new RequestTexts(plan, ['t0', 't1'], true, []).first(3).split('\r\n\r\n')
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
    expect(head).toContain('authorization: Bearer t1')
    expect(head).toContain('idempotency-key: k-3')
    expect(head).toContain('prefer: wait=5')
    expect(JSON.parse(body)).toEqual({ performanceId: 'a', sectionId: 'S1', seatIds: ['1-1'] })
  })

  it('asks for a status as the customer whose booking it is, however often', () => {
    const texts = new RequestTexts({ kind: 'status', historyFile: '' }, ['t0', 't1'], false, ['x', 'y', 'z'])
    expect([0, 1, 2, 3].map((request) => texts.first(request).replace(/HTTP.*?Bearer /s, ''))).toEqual([
      'GET /bookings/x t0\r\n\r\n',
      'GET /bookings/y t1\r\n\r\n',
      'GET /bookings/z t0\r\n\r\n',
      'GET /bookings/x t0\r\n\r\n',
    ])
  })
})
