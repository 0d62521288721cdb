import { redisReady } from '../shared/redis/connect.ts'
import { isReplyWithoutRun, type ScriptAnswer } from './script-replies.ts'
import { NotSent } from './shard-batches.ts'
import type { Placement } from './topology-keeper.ts'
import type { Ports } from './ports.ts'

/**
 * How running an accept script ended.
 * - `answer`: as the script says
 * - `unavailable`: it certainly did not run and never will
 * - `unknown`: it may have run, or may still run
 */
export type Run =
  | { readonly kind: 'answer'; readonly answer: ScriptAnswer; readonly placement: Placement }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'unknown' }

type Script = (placement: Placement) => Promise<ScriptAnswer>

const UNAVAILABLE: Run = { kind: 'unavailable' }
const UNKNOWN: Run = { kind: 'unknown' }

/** Answers that hold even if the script ran twice: what they say is stored. */
const storedAnswers: ReadonlySet<string | number | undefined> = new Set(['accepted', 'known', 'mismatch'])

/** How long a caller whose connection broke waits for the next one. */
const RECONNECT_WITHIN_MS = 1_000

/**
 * Runs an accept script on its shard. When the shard has another topology than ours, that is mended and the script
 * runs once more. When the connection broke under it, it runs once more too (the scripts may run twice), but then only
 * an answer that is stored counts: the first run may lie unread in the broken connection and be carried out later, so
 * no refusal of the second would be true for it.
 */
export async function runOnShard(ports: Ports, script: Script): Promise<Run> {
  const first = await runUnderTopology(ports, script)
  // A command that timed out leaves the connection as it is: asking again would only wait again.
  if (first.kind !== 'unknown' || ports.redis.status === 'ready') return first
  try {
    await redisReady(ports.redis, RECONNECT_WITHIN_MS)
  } catch {
    return UNKNOWN
  }
  const second = await runUnderTopology(ports, script)
  return second.kind === 'answer' && storedAnswers.has(second.answer[0]) ? second : UNKNOWN
}

async function runUnderTopology(ports: Ports, script: Script): Promise<Run> {
  const { topology } = ports
  let run = await runOnce(ports, topology.current ?? (await topology.get()), script)
  if (run.kind !== 'answer' || run.answer[0] !== 'topology') return run
  await topology.load()
  run = await runOnce(ports, topology.current, script)
  return run.kind === 'answer' && run.answer[0] === 'topology' ? UNAVAILABLE : run
}

async function runOnce(ports: Ports, placement: Placement | undefined, script: Script): Promise<Run> {
  // The client has no queue: what it cannot send at once is never sent.
  if (placement === undefined || ports.redis.status !== 'ready') return UNAVAILABLE
  try {
    return { kind: 'answer', answer: await script(placement), placement }
  } catch (error) {
    return error instanceof NotSent || isReplyWithoutRun(error) ? UNAVAILABLE : UNKNOWN
  }
}
