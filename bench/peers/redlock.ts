import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'mysql2/promise'
import Redlock, { type Lock } from 'redlock'
import type { FunctionConfig } from '../../shared/config.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { bookSeats, readVerdict } from './book-seats.ts'
import { connectPool } from './database.ts'
import { TakenSeats } from './taken-seats.ts'
import type { Peer, Verdict, Wish } from './wish.ts'

const CONNECTIONS = 32
/** Far longer than a transaction: a lock that ends before it protects nothing. */
const LEASE_MS = 5_000
/** How long a request waits for another's lock, and how often it asks. */
const PATIENCE_MS = 5_000
const RETRY_MS = 10

/**
 * Peer (c): a lock a seat in Redis, all of a request's at once and in order, around the transaction of peer (a), whose
 * key still guards. Who finds a seat locked looks whether it has been taken meanwhile, and asks again.
 */
export function createRedlock(config: FunctionConfig): Peer {
  const pool = connectPool(config.mysql.url, CONNECTIONS)
  const redis = connectRedis(config.redis, 'work', () => undefined)
  // Its own retries may return a lock that has expired meanwhile.
  const redlock = new Redlock([redis], { retryCount: 0 })
  redlock.on('error', () => undefined)
  const taken = new TakenSeats()
  const lock = (wish: Wish): Promise<Lock | undefined> =>
    redlock
      .acquire(
        wish.seatIds.map((seatId) =>
          [config.keyPrefix, 'lock', wish.performanceId, wish.sectionId, seatId].join(':'),
        ),
        LEASE_MS,
      )
      .catch(() => undefined)
  return {
    book: (wish) => book(pool, taken, lock, wish),
    async close() {
      await pool.end()
      redis.disconnect()
    },
  }
}

async function book(
  pool: Pool,
  taken: TakenSeats,
  lock: (wish: Wish) => Promise<Lock | undefined>,
  wish: Wish,
): Promise<Verdict> {
  const deadline = performance.now() + PATIENCE_MS
  let seen = taken.maybe(wish) ? await readVerdict(pool, taken, wish) : undefined
  while (seen === undefined && performance.now() < deadline) {
    const held = await lock(wish)
    if (held !== undefined) {
      const verdict = await bookSeats(pool, taken, wish)
      // Nobody needs to wait for that; a lock that is not given back ends by itself.
      held.release().catch(() => undefined)
      return verdict
    }
    await delay(RETRY_MS * (0.5 + Math.random()))
    seen = await readVerdict(pool, taken, wish)
  }
  return seen ?? { kind: 'busy' }
}
