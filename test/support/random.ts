/** Random numbers that come the same again from the same seed. */
export interface Random {
  /** At least 0, less than 1. */
  next(): number
  /** A whole number of at least `from`, less than `to`. */
  whole(from: number, to: number): number
  /** True in `share` of all cases. */
  chance(share: number): boolean
  /** One of some. */
  pick<T>(items: readonly [T, ...T[]]): T
}

/** Mulberry32: 32 bits of state, which is plenty for choosing faults and seats. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from))
  return {
    next,
    whole,
    chance: (share) => next() < share,
    pick: (items) => items[whole(0, items.length)] ?? items[0],
  }
}
