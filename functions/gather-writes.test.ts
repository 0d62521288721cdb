import { setImmediate as turnsEnd } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { writesGatherer } from './gather-writes.ts'

it('holds a turn’s writes back until its end, once, and on the connection that they began on', async () => {
  const events: string[] = []
  const streamOf = (name: string) => ({
    cork: () => events.push(`cork ${name}`),
    uncork: () => events.push(`uncork ${name}`),
  })
  const redis = { stream: streamOf('first') }
  const gather = writesGatherer(redis as unknown as Redis)
  gather()
  gather()
  redis.stream = streamOf('second')
  gather()
  expect(events).toEqual(['cork first'])
  await turnsEnd()
  gather()
  await turnsEnd()
  expect(events).toEqual(['cork first', 'uncork first', 'cork second', 'uncork second'])
})
