import type { Redis } from 'ioredis'
import Redlock from 'redlock'
import type { MembershipKeys } from '../redis/keys.ts'

/** A rebalance takes some ten milliseconds; a member that dies in one must not hold up the next for long. */
const LEASE_MS = 1_500

export interface HeldLock {
  /** Never fails: a lock that cannot be given back ends by itself. */
  release(): Promise<void>
}

/**
 * The lock under which one member at a time rebalances. It saves work and nothing more: of two who hold it at once, one
 * fails to store its generation.
 */
export class RebalanceLock {
  private readonly redis: readonly Redis[]
  private readonly redlock: Redlock
  private readonly key: string

  /** @param redis a client of its own, in the role `lock`; or one for each of an odd number of independent servers */
  constructor(redis: readonly Redis[], keys: MembershipKeys) {
    this.redis = redis
    // A full Redis must not keep partitions from finding an owner.
    const evenIfFull = (script: string): string => `#!lua flags=allow-oom\n${script}`
    this.redlock = new Redlock(
      redis,
      // Its own retries may return a lock that has expired meanwhile; whoever was refused comes again by itself.
      { retryCount: 0 },
      { acquireScript: evenIfFull, extendScript: evenIfFull, releaseScript: evenIfFull },
    )
    this.redlock.on('error', () => undefined)
    this.key = keys.lock
  }

  /** @returns undefined if somebody else holds it, or Redis does not answer */
  async acquire(): Promise<HeldLock | undefined> {
    try {
      const lock = await this.redlock.acquire([this.key], LEASE_MS)
      return {
        release: async () => {
          await lock.release().catch(() => undefined)
        },
      }
    } catch {
      await Promise.all(this.redis.map((redis) => this.removeStale(redis).catch(() => undefined)))
      return undefined
    }
  }

  /**
   * A lock that outlives its lease was taken under a clock of Redis that has been put back since, and would keep everybody
   * out for as long as the clock was ahead.
   */
  private async removeStale(redis: Redis): Promise<void> {
    if ((await redis.pttl(this.key)) > LEASE_MS) await redis.del(this.key)
  }
}
