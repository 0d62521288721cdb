import type { Redis } from 'ioredis'
import type { AskShardForMany } from './shard-batches.ts'

/** What a shard says of a request. */
export interface ShownByShard {
  /** JSON of a Booking; null: it shows none. */
  readonly outcome: string | null
  /** The shard's topology; null: it does not know. */
  readonly mark: string | null
}

/** How outcomes are read together, each by its request's id. */
export function readOutcomes(redis: Pick<Redis, 'mget'>): AskShardForMany<string, ShownByShard> {
  return async ({ keys }, shard, requestIds) => {
    const [mark = null, ...outcomes] = await redis.mget(
      keys.topology(shard),
      ...requestIds.map((requestId) => keys.outcome(requestId)),
    )
    return outcomes.map((outcome) => ({ outcome, mark }))
  }
}
