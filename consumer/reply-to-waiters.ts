import type { Redis } from 'ioredis'
import { errorFields, type Log } from '../shared/log.ts'
import type { RedisKeys } from '../shared/redis/keys.ts'

/** Who waits for which outcome, gathered over a batch. */
export class Replies {
  /** Outcomes as JSON, by reply address. */
  private readonly byAddress = new Map<string, string[]>()

  /** @param outcome JSON of a Booking */
  add(address: string, outcome: string): void {
    const outcomes = this.byAddress.get(address)
    if (outcomes === undefined) this.byAddress.set(address, [outcome])
    else outcomes.push(outcome)
  }

  /**
   * Sends one message to each address. Best effort: a message may be lost at any time, so whoever waits looks once more
   * before giving up, and nothing is worth sending twice.
   */
  async send(redis: Redis, shard: number, keys: RedisKeys, log: Log): Promise<void> {
    const sent = [...this.byAddress].map(([address, outcomes]) =>
      redis.spublish(keys.replies(shard, address), `[${outcomes.join(',')}]`),
    )
    for (const result of await Promise.allSettled(sent)) {
      if (result.status === 'rejected') log.debug({ shard, ...errorFields(result.reason) }, 'reply not sent')
    }
  }
}
