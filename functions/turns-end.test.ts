import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { turnsEnd } from './turns-end.ts'

it('acts when the turn is over, in one write, on the connection that there is by then', async () => {
  const events: string[] = []
  const streamOf = (name: string) =>
    ({
      cork: () => events.push(`cork ${name}`),
      uncork: () => events.push(`uncork ${name}`),
    }) as unknown as Redis['stream']
  const redis = { stream: streamOf('first') }
  const atTurnsEnd = turnsEnd(redis)
  atTurnsEnd(() => events.push('a'))
  atTurnsEnd(() => events.push('b'))
  redis.stream = streamOf('second')
  expect(events).toEqual([])
  await nextTurn()
  atTurnsEnd(() => events.push('c'))
  await nextTurn()
  expect(events).toEqual(['cork second', 'a', 'b', 'uncork second', 'cork second', 'c', 'uncork second'])
})
