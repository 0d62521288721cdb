import type { Redis } from 'ioredis'

/** Calls back when this turn of the event loop is over. */
export type AtTurnsEnd = (act: () => void) => void

/**
 * Gathers what is to be sent in one turn of the event loop and lets it leave in one write. Each write is a system call
 * that wakes the other side, which costs as much as all else of an accept; under load dozens of requests are read in one
 * turn. Nothing is held longer than that: with one request as with a hundred.
 */
export function turnsEnd(redis: Pick<Redis, 'stream'>): AtTurnsEnd {
  let due: (() => void)[] = []
  const actAll = (): void => {
    const acts = due
    due = []
    const { stream } = redis
    stream.cork()
    for (const act of acts) act()
    stream.uncork()
  }
  return (act) => {
    if (due.push(act) === 1) setImmediate(actAll)
  }
}
