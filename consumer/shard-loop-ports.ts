import type { Log } from '../shared/log.ts'
import type { Topology } from '../shared/placement.ts'
import type { CommitResult } from './commit-batch.ts'
import type { CommitTurns } from './commit-turns.ts'
import type { Batch, Stake, StoredDecision } from './decide-batch.ts'
import type { ConsumerMetrics } from './metrics.ts'
import type { Entry } from './parse-entry.ts'
import type { SectionMemory } from './section-memory.ts'
import type { ReadRequest } from './shard-reader.ts'

/** What names a command. */
export interface NamedCommand {
  readonly kind: string
  readonly requestId: string
}

/** The effects of a shard's loop, handed in so that a test can drive it step by step. */
export interface ShardLoopPorts {
  readonly topology: Topology
  readonly shard: number
  readonly shardSlot: number
  readonly maxBatch: number
  /** Entries of a committing batch from which on the next one is decided ahead of its end. */
  readonly aheadOf: number
  /** The Redis in which seats that are asked for in vain may be marked; undefined: none are, or it is not known yet. */
  marksIn(): string | undefined
  /** Shared with the other shards. Asked for one before a batch that may be smaller than that. */
  readonly turns: Pick<CommitTurns, 'isFree' | 'take'>
  readonly memory: SectionMemory
  readonly log: Log
  readonly metrics: ConsumerMetrics
  /** Offers entries one by one; those that are in flight are declined. See ShardReader. */
  read(request: ReadRequest, offer: (entry: Entry) => boolean): Promise<void>
  restartReading(): void
  /** Ends a read that waits for entries. */
  interruptRead(): void
  findStored(commands: readonly NamedCommand[]): Promise<Map<string, StoredDecision>>
  /** For display: stored with decisions and shown with outcomes. Nothing is decided by it. */
  nowMs(): number
  monotonicMs(): number
  commit(batch: Batch, decidedAtMs: number): Promise<CommitResult>
  /** Answers how many entries went away. */
  settle(batch: Batch, refused: ReadonlySet<number>, decidedAtMs: number): Promise<number>
  /** What is still ours, after waiting for whatever transaction of ours may still be open. */
  recover(stakes: ReadonlyMap<number, Stake>): Promise<Map<number, Stake>>
  /** Resolves early when the loop is told to stop. */
  sleep(ms: number): Promise<void>
  /** Partitions that turned out to be somebody else's. */
  onLost(partitions: readonly number[]): void
  /** Partitions whose streams are read for the first time since they were claimed. */
  onServing(partitions: readonly number[]): void
}
