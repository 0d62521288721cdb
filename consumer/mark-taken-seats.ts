import type { Redis } from 'ioredis'
import { errorFields, type Log } from '../shared/log.ts'
import type { RedisKeys } from '../shared/redis/keys.ts'
import type { Batch } from './decide-batch.ts'

interface MarkContext {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly shard: number
  /** 0: none are marked. */
  readonly takenSeatsTtlMs: number
  readonly log: Log
}

/**
 * After commit: marks the seats that the batch's requests asked for in vain, so that who asks next is refused at once.
 * A mark says who holds the seat, which stays true until that request is cancelled; whether somebody has asked for that is for
 * the accept script to look up. So it does not matter when a mark is made, nor by whom. Best effort: without it a request
 * takes the long way to the same answer.
 */
export async function markTakenSeats(
  { askedInVain }: Pick<Batch, 'askedInVain'>,
  refused: ReadonlySet<number>,
  { redis, keys, shard, takenSeatsTtlMs, log }: MarkContext,
): Promise<void> {
  if (takenSeatsTtlMs === 0) return
  const marks = new Map<string, string>()
  for (const { partition, performanceId, sectionId, seatId, holder } of askedInVain) {
    // Who holds it was not committed either.
    if (!refused.has(partition)) marks.set(`${performanceId}/${sectionId}/${seatId}`, holder)
  }
  if (marks.size === 0) return
  const key = keys.takenSeats(shard)
  try {
    // Not longer for those that come later: all of them are found out anew when the first is too old.
    await redis.multi().hset(key, marks).pexpire(key, takenSeatsTtlMs, 'NX').exec()
  } catch (error) {
    log.debug({ shard, ...errorFields(error) }, 'taken seats not marked')
  }
}
