import { describe, expect, it } from 'vitest'
import { FailureDetector, type Beat } from './failure-detector.ts'

const beats = (counters: Readonly<Record<string, number>>): Map<string, Beat> =>
  new Map(Object.entries(counters).map(([name, counter]) => [name, { counter, leaving: false }]))

const detector = (): FailureDetector => new FailureDetector({ memberTimeoutMs: 3_000, longestGapMs: 1_500 })

describe('the failure detector', () => {
  it('takes for dead whose counter stands still for the time-out, and nobody whose counter moves', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs < 3_000; nowMs += 250) {
      watching.look(beats({ moving: nowMs, still: 7 }), [], nowMs)
      expect(watching.staying).toEqual(['moving', 'still'])
    }
    watching.look(beats({ moving: 3_000, still: 7 }), [], 3_000)
    expect(watching.staying).toEqual(['moving'])
    expect([...watching.expired]).toEqual([['still', 7]])
    expect(watching.isExpired('still')).toBe(true)
  })

  it('takes one that was dead for alive when it has moved twice within the time-out', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 250) watching.look(beats({ a: 7 }), ['a'], nowMs)
    watching.look(beats({ a: 8 }), ['a'], 3_250)
    expect(watching.staying).toEqual([])
    // It moves: it is not to be taken out of Redis.
    expect([...watching.expired]).toEqual([])
    watching.look(beats({ a: 9 }), ['a'], 3_500)
    expect(watching.staying).toEqual(['a'])
  })

  it('does not take a slow one for alive again and again, although it is taken out of Redis meanwhile', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 250) watching.look(beats({ slow: 0 }), ['slow'], nowMs)
    for (let nowMs = 3_250; nowMs < 60_000; nowMs += 250) {
      // A beat every four seconds, shown again soon after it was taken out.
      const isTakenOut = nowMs % 2_000 === 0
      const counter = Math.floor(nowMs / 4_000)
      watching.look(isTakenOut ? new Map() : beats({ slow: counter }), [], nowMs)
      expect(watching.staying).toEqual([])
    }
  })

  it('does not take one that stands still for another because it was taken out and shows itself anew', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 250) watching.look(beats({ still: 7 }), ['still'], nowMs)
    watching.look(new Map(), [], 3_250)
    watching.holdOff(3_250)
    watching.look(beats({ still: 7 }), [], 3_500)
    expect(watching.staying).toEqual([])
    expect([...watching.expired]).toEqual([['still', 7]])
  })

  it('proves nothing by time in which nobody looked', () => {
    const watching = detector()
    watching.look(beats({ a: 1, b: 1 }), [], 0)
    watching.look(beats({ a: 1, b: 1 }), [], 60_000)
    expect(watching.staying).toEqual(['a', 'b'])
    // The whole time-out begins anew.
    for (let nowMs = 60_250; nowMs < 63_000; nowMs += 250) watching.look(beats({ a: 1, b: 1 }), [], nowMs)
    expect(watching.staying).toEqual(['a', 'b'])
    watching.look(beats({ a: 1, b: 1 }), [], 63_000)
    expect(watching.staying).toEqual([])
  })

  it('gives everybody the whole time-out anew when it is held off', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs <= 2_750; nowMs += 250) watching.look(beats({ a: 1 }), [], nowMs)
    watching.holdOff(2_750)
    for (let nowMs = 3_000; nowMs <= 5_500; nowMs += 250) watching.look(beats({ a: 1 }), [], nowMs)
    expect(watching.staying).toEqual(['a'])
    watching.look(beats({ a: 1 }), [], 5_750)
    expect(watching.staying).toEqual([])
  })

  it('waits for those who should be there and are not: Redis may have lost them', () => {
    const watching = detector()
    for (let nowMs = 0; nowMs < 3_000; nowMs += 250) {
      watching.look(beats({ a: nowMs }), ['a', 'b'], nowMs)
      expect(watching.staying).toEqual(['a', 'b'])
    }
    watching.look(beats({ a: 3_000 }), ['a', 'b'], 3_000)
    expect(watching.staying).toEqual(['a'])
    // There is nothing of it in Redis that could be forgotten.
    expect([...watching.expired]).toEqual([])
  })

  it('does not wait for those whom nobody expects', () => {
    const watching = detector()
    watching.look(beats({ a: 1, b: 1 }), ['a', 'b'], 0)
    watching.look(beats({ a: 2 }), ['a'], 250)
    expect(watching.staying).toEqual(['a'])
  })

  it('counts those who are leaving among the living, not among those who stay', () => {
    const watching = detector()
    watching.look(new Map([['a', { counter: 1, leaving: true }]]), [], 0)
    expect(watching.staying).toEqual([])
    expect(watching.isExpired('a')).toBe(false)
  })
})
