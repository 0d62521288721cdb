import DataLoader from 'dataloader'
import type { Redis } from 'ioredis'
import type { Placement } from './topology-keeper.ts'
import type { AtTurnsEnd } from './turns-end.ts'

/** Asks a shard for one thing, together with all others that ask it in this turn of the event loop. */
export type AskShard<Question, Answer> = (
  placement: Placement,
  shard: number,
  question: Question,
) => Promise<Answer>

/** Asks a shard for many things at once. Answers in the same order; an Error in place of one is that one's alone. */
export type AskShardForMany<Question, Answer> = (
  placement: Placement,
  shard: number,
  questions: readonly Question[],
) => Promise<readonly (Answer | Error)[]>

/** Certainly not sent, neither now nor later. */
export class NotSent extends Error {}

/** Bounds how long Redis serves nobody else for the sake of one command: about a millisecond. */
const MAX_BATCH = 100

/**
 * Puts together what is asked of a shard in one turn, because a command costs as much as what it asks for: to put
 * together, to send, to run, and to take apart again.
 *
 * @param redis a client without a queue: when it is not ready as the turn ends, nothing is sent
 */
export function shardBatches<Question, Answer>(
  redis: Pick<Redis, 'status'>,
  atTurnsEnd: AtTurnsEnd,
  ask: AskShardForMany<Question, Answer>,
): AskShard<Question, Answer> {
  let loaders = new Map<number, DataLoader<Question, Answer>>()
  let loadersOf: Placement | undefined
  const loaderOf = (placement: Placement, shard: number): DataLoader<Question, Answer> =>
    new DataLoader<Question, Answer>(
      async (questions) => {
        // Nothing may come between this look and sending.
        if (redis.status !== 'ready') return questions.map(() => new NotSent('Redis is not connected'))
        return ask(placement, shard, questions)
      },
      { cache: false, maxBatchSize: MAX_BATCH, batchScheduleFn: atTurnsEnd },
    )
  return (placement, shard, question) => {
    if (placement !== loadersOf) {
      loaders = new Map()
      loadersOf = placement
    }
    let loader = loaders.get(shard)
    if (loader === undefined) loaders.set(shard, (loader = loaderOf(placement, shard)))
    return loader.load(question)
  }
}
