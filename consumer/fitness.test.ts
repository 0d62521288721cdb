import { describe, expect, it } from 'vitest'
import { Fitness } from './fitness.ts'

describe('the fitness of a consumer', () => {
  it('ends when claims have failed for long, and begins again after a rest', () => {
    const fitness = new Fitness(3_000)
    fitness.claimed(false, 0)
    expect(fitness.judge(true, 9_000, false)).toBe(true)
    expect(fitness.judge(true, 10_001, false)).toBe(false)
    expect(fitness.judge(true, 70_000, false)).toBe(false)
    expect(fitness.judge(true, 70_002, false)).toBe(true)
  })

  it('is not doubted where a claim worked in between', () => {
    const fitness = new Fitness(3_000)
    fitness.claimed(false, 0)
    fitness.claimed(true, 5_000)
    fitness.claimed(false, 9_000)
    expect(fitness.judge(true, 12_000, false)).toBe(true)
  })

  it('pauses while loops do not get round, at once; and rests if that lasts', () => {
    const fitness = new Fitness(3_000)
    expect(fitness.judge(false, 0, false)).toBe(false)
    expect(fitness.judge(true, 250, false)).toBe(true)
    expect(fitness.judge(false, 1_000, false)).toBe(false)
    expect(fitness.judge(false, 6_001, false)).toBe(false)
    expect(fitness.judge(true, 7_000, false)).toBe(false)
    expect(fitness.judge(true, 66_002, false)).toBe(true)
  })

  it('does not end with an outage of Redis, after which loops have their time to get round', () => {
    const fitness = new Fitness(3_000)
    fitness.exchanged(false)
    expect(fitness.judge(false, 0, false)).toBe(false)
    expect(fitness.judge(false, 30_000, false)).toBe(false)
    fitness.exchanged(true)
    expect(fitness.judge(false, 30_250, false)).toBe(false)
    expect(fitness.judge(true, 35_250, false)).toBe(true)
    // A Redis that answers, and loops that stand still all the same.
    expect(fitness.judge(false, 40_000, false)).toBe(false)
    expect(fitness.judge(false, 45_001, false)).toBe(false)
    expect(fitness.judge(true, 46_000, false)).toBe(false)
  })

  it('does not end with an outage of MySQL, before which a claim failed or a loop was late', () => {
    const fitness = new Fitness(3_000)
    fitness.claimed(false, 0)
    expect(fitness.judge(false, 100, false)).toBe(false)
    fitness.probeFailed(200)
    fitness.probeFailed(20_000)
    // Asked again when MySQL has just come back.
    fitness.claimed(false, 29_900)
    expect(fitness.judge(false, 30_000, false)).toBe(false)
    expect(fitness.judge(true, 34_000, false)).toBe(true)
    fitness.claimed(false, 34_000)
    expect(fitness.judge(true, 44_001, false)).toBe(false)
  })

  it('ends all the same where a probe fails now and then', () => {
    const fitness = new Fitness(3_000)
    fitness.claimed(false, 0)
    fitness.probeFailed(4_000)
    expect(fitness.judge(true, 6_900, false)).toBe(true)
    fitness.probeFailed(9_000)
    expect(fitness.judge(true, 10_001, false)).toBe(false)
  })

  it('lasts where nobody is there to give way to, and comes back when the last of the others goes', () => {
    const fitness = new Fitness(3_000)
    fitness.claimed(false, 0)
    expect(fitness.judge(true, 10_001, true)).toBe(true)
    fitness.claimed(false, 11_000)
    expect(fitness.judge(true, 21_001, false)).toBe(false)
    expect(fitness.isResting).toBe(true)
    expect(fitness.judge(true, 25_000, true)).toBe(true)
    expect(fitness.isResting).toBe(false)
    expect(fitness.judge(true, 26_000, false)).toBe(true)
  })
})
