import type { Redis } from 'ioredis'

/** Leaves time for MySQL within the two seconds in which a client hears an answer even if both are away. */
const CONNECT_WITHIN_MS = 1_000

/**
 * Waits until a fresh client of Redis is connected or has failed once. Where a connection is made for a request, the
 * application, which never waits for one, would find it unready. Does not throw: it looks for itself.
 */
export async function firstAttempt(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      redis.off('ready', done)
      redis.off('error', done)
      redis.off('close', done)
      resolve()
    }
    const timer = setTimeout(done, CONNECT_WITHIN_MS)
    redis.on('ready', done)
    redis.on('error', done)
    redis.on('close', done)
  })
}
