import type { FunctionConfig } from '../shared/config.ts'
import type { PartitionId } from '../shared/placement.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import { isScriptError, type ScriptAnswer } from './script-replies.ts'
import type { AskShardForMany } from './shard-batches.ts'

/** A booking as the accept script takes it. */
export interface BookingToAccept {
  readonly requestId: string
  readonly customerId: string
  readonly sectionId: string
  readonly partition: PartitionId
  readonly fingerprint: string
  /** JSON without its braces: what the command and the pending outcome have in common. */
  readonly common: string
  /** `,"traceparent":…` or nothing. */
  readonly trace: string
  readonly replyTo: string
}

interface Needs {
  readonly scripts: Pick<Scripts, 'acceptBookings'>
  readonly limits: Pick<FunctionConfig, 'backlogCap' | 'rateLimit' | 'rateWindowMs'>
}

/** How bookings of one shard are accepted together. An error of the script concerns the one at which it happened. */
export function acceptBookings({ scripts, limits }: Needs): AskShardForMany<BookingToAccept, ScriptAnswer> {
  const run: AskShardForMany<BookingToAccept, ScriptAnswer> = async (placement, shard, bookings) => {
    const { topology, keys, mark } = placement
    const { backlogCap, rateLimit, rateWindowMs } = limits
    const scriptKeys = [keys.topology(shard), keys.pressure(shard), keys.takenSeats(shard)]
    const args: (string | number)[] = [mark, backlogCap, rateLimit, rateWindowMs, keys.records(shard)]
    for (const { requestId, customerId, sectionId, partition, ...booking } of bookings) {
      const { fingerprint, common, trace, replyTo } = booking
      scriptKeys.push(keys.record(requestId), keys.outcome(requestId))
      scriptKeys.push(keys.stream(partition), keys.rate(shard, customerId))
      args.push(fingerprint, customerId, sectionId, requestId, common)
      args.push(`,"fingerprint":"${fingerprint}","topologyVersion":${topology.version}${trace}`, replyTo)
    }
    const answers = await scripts.acceptBookings(scriptKeys, args)
    return answers.map((answer) => (typeof answer === 'string' ? [answer] : answer))
  }
  return async (placement, shard, bookings) => {
    try {
      return await run(placement, shard, bookings)
    } catch (error) {
      if (bookings.length === 1 || !isScriptError(error)) return bookings.map(() => asError(error))
      // It has ended, having accepted those before the culprit. The script may run twice: each finds out for itself.
      const alone = await Promise.all(
        bookings.map((booking) =>
          run(placement, shard, [booking]).catch((failed: unknown) => [asError(failed)]),
        ),
      )
      return alone.map(([answer]) => answer ?? new TypeError('no answer'))
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('accepting failed', { cause: error })
}
