import { describe, expect, it } from 'vitest'
import { Fitness } from './fitness.ts'

describe('the fitness of a consumer', () => {
  it('ends when claims have failed for long, and begins again after a rest', () => {
    const fitness = new Fitness()
    fitness.claimed(false, 0)
    expect(fitness.judge(true, 9_000)).toBe(true)
    expect(fitness.judge(true, 10_001)).toBe(false)
    expect(fitness.judge(true, 70_000)).toBe(false)
    expect(fitness.judge(true, 70_002)).toBe(true)
  })

  it('is not doubted where a claim worked in between', () => {
    const fitness = new Fitness()
    fitness.claimed(false, 0)
    fitness.claimed(true, 5_000)
    fitness.claimed(false, 9_000)
    expect(fitness.judge(true, 12_000)).toBe(true)
  })

  it('pauses while loops do not get round, at once; and rests if that lasts', () => {
    const fitness = new Fitness()
    expect(fitness.judge(false, 0)).toBe(false)
    expect(fitness.judge(true, 250)).toBe(true)
    expect(fitness.judge(false, 1_000)).toBe(false)
    expect(fitness.judge(false, 6_001)).toBe(false)
    expect(fitness.judge(true, 7_000)).toBe(false)
    expect(fitness.judge(true, 66_002)).toBe(true)
  })

  it('does not end with an outage of Redis, after which loops have their time to get round', () => {
    const fitness = new Fitness()
    fitness.exchanged(false)
    expect(fitness.judge(false, 0)).toBe(false)
    expect(fitness.judge(false, 30_000)).toBe(false)
    fitness.exchanged(true)
    expect(fitness.judge(false, 30_250)).toBe(false)
    expect(fitness.judge(true, 35_250)).toBe(true)
    // A Redis that answers, and loops that stand still all the same.
    expect(fitness.judge(false, 40_000)).toBe(false)
    expect(fitness.judge(false, 45_001)).toBe(false)
    expect(fitness.judge(true, 46_000)).toBe(false)
  })
})
