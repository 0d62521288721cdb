import { commandId } from '../shared/commands.ts'
import { errorFields, type Log } from '../shared/log.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import { READ_BLOCK_MS } from '../shared/redis/connect.ts'
import type { CommitResult } from './commit-batch.ts'
import {
  decideBatch,
  isStray,
  type Batch,
  type Poison,
  type Stake,
  type StoredDecision,
} from './decide-batch.ts'
import { InFlight } from './in-flight.ts'
import type { ConsumerMetrics } from './metrics.ts'
import { parseEntry, type Entry, type ParsedEntry } from './parse-entry.ts'
import { reportCommitted, reportNotCommitted } from './report-batch.ts'
import type { SectionKey, SectionMemory } from './section-memory.ts'
import type { SectionState } from './section-state.ts'
import type { ReadRequest } from './shard-reader.ts'

/** What names a command. */
interface NamedCommand {
  readonly kind: string
  readonly requestId: string
}

/** The effects of a shard's loop, handed in so that a test can drive it step by step. */
export interface ShardLoopPorts {
  readonly topology: Topology
  readonly shard: number
  readonly shardSlot: number
  readonly maxBatch: number
  readonly memory: SectionMemory
  readonly log: Log
  readonly metrics: ConsumerMetrics
  /** Offers entries one by one; those that are in flight are declined. See ShardReader. */
  read(request: ReadRequest, offer: (entry: Entry) => boolean): Promise<void>
  restartReading(): void
  findStored(commands: readonly NamedCommand[]): Promise<Map<string, StoredDecision>>
  /** For display: stored with decisions and shown with outcomes. Nothing is decided by it. */
  nowMs(): number
  commit(batch: Batch, decidedAtMs: number): Promise<CommitResult>
  /** Answers how many entries went away. */
  settle(batch: Batch, refused: ReadonlySet<number>, decidedAtMs: number): Promise<number>
  /** What is still ours, after waiting for whatever transaction of ours may still be open. */
  recover(stakes: ReadonlyMap<number, Stake>): Promise<Map<number, Stake>>
  /** Resolves early when the loop is told to stop. */
  sleep(ms: number): Promise<void>
  /** Partitions that turned out to be somebody else's. */
  onLost(partitions: readonly number[]): void
}

const STANDBY_MS = 200
/** Reads in a row that found nothing, after which an owner looks whether it still is one: every two seconds or so. */
const IDLE_ROUNDS = 4
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2_000

interface Committing {
  readonly batch: Batch
  readonly ids: readonly string[]
  readonly entries: number
  readonly decidedAtMs: number
  readonly result: Promise<CommitResult>
}

/**
 * The loop of one shard's owner: read, decide, commit, settle.
 *
 *   read ──> prepare ──> (wait for the commit before) ──> commit ──> settle
 *                ▲                                           │
 *                └────────────── recover <── anything else ──┘
 *
 * While a batch commits, the next is read and decided ahead, on top of it; settling a batch overlaps with
 * committing the next. Whatever goes wrong has one way out, `recover`: throw away all that is decided and not
 * committed, wait for our own transaction's end and read where we stand, then read the streams from their
 * start. What was committed in spite of a lost answer is found decided then.
 */
export class ShardLoop {
  private readonly ports: ShardLoopPorts
  /** As stored, once the batch that is committing has committed. */
  private stakes = new Map<number, Stake>()
  /** After all that is decided ahead. */
  private ahead = new Map<number, Stake>()
  private committing: Committing | undefined
  private settling: Promise<void> = Promise.resolve()
  private readonly inFlight = new InFlight()
  private readonly poison = new Map<string, Poison>()
  /** Ask MySQL for repeats before deciding the next batch. */
  private suspectRepeats = true
  /** Entries of a batch; halved while a batch cannot be committed, doubled with each that can. */
  private limit: number
  private backoffMs = FIRST_BACKOFF_MS
  private idleRounds = 0
  private stopping = false
  /** When the loop last got anywhere; readiness and, later, heartbeats look at it. */
  private progress = 0

  constructor(ports: ShardLoopPorts) {
    this.ports = ports
    this.limit = ports.maxBatch
  }

  /** Takes over partitions that have just been claimed. What memory holds of them is older than the claim. */
  own(stakes: ReadonlyMap<number, Stake>): void {
    this.forgetPartitions(new Set(stakes.keys()))
    for (const [number, stake] of stakes) {
      this.stakes.set(number, stake)
      this.ahead.set(number, stake)
    }
    this.suspectRepeats = true
    this.ports.restartReading()
  }

  get owned(): readonly number[] {
    return [...this.stakes.keys()]
  }

  /** Counts the loop's rounds. It stands still when the loop does. */
  get rounds(): number {
    return this.progress
  }

  /** Finishes the batch in flight, then `run` returns. The caller ends a blocking read. */
  stop(): void {
    this.stopping = true
  }

  async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.step()
        this.progress++
      } catch (error) {
        if (!this.isStopping()) await this.afterError(error)
      }
    }
    if (this.committing !== undefined) await this.finishCommit()
    await this.settling
  }

  // A method, because the compiler takes a field that was tested once for unchanged ever after.
  private isStopping(): boolean {
    return this.stopping
  }

  /** One round. Exposed to tests through `run` only. */
  private async step(): Promise<void> {
    if (this.stakes.size === 0) {
      await this.ports.sleep(STANDBY_MS)
      return
    }
    const blockMs = this.committing === undefined ? READ_BLOCK_MS : 0
    const fresh = await this.readFresh(blockMs)
    if (fresh.length === 0) {
      if (this.committing !== undefined) await this.finishCommit()
      else await this.idle()
      return
    }
    this.idleRounds = 0
    const batch = await this.prepare(fresh)
    if (this.committing !== undefined && !(await this.finishCommit())) return
    this.startCommit(batch, fresh)
  }

  /** An owner with nothing to do would never notice that somebody else has claimed: it asks now and then. */
  private async idle(): Promise<void> {
    this.idleRounds += 1
    if (this.idleRounds < IDLE_ROUNDS) return
    this.idleRounds = 0
    await this.recover()
  }

  private async readFresh(blockMs: number): Promise<ParsedEntry[]> {
    const fresh: ParsedEntry[] = []
    const inFlight = this.inFlight.mostOfOnePartition
    await this.ports.read({ partitions: this.owned, limit: this.limit, inFlight, blockMs }, (entry) => {
      const parsed = parseEntry(entry)
      if (this.inFlight.has(parsed)) return false
      fresh.push(parsed)
      return true
    })
    return fresh
  }

  /** Decides a batch on top of whatever is committing. */
  private async prepare(entries: readonly ParsedEntry[]): Promise<Batch> {
    const { memory, topology, shard, shardSlot } = this.ports
    const commands = entries.flatMap((parsed) => (parsed.kind === 'command' ? [parsed] : []))
    const storedBefore = await this.findRepeats(entries)
    const sections = commands
      .filter(({ entry, command }) => !isStray({ topology, shard }, entry, command))
      .map(({ command }) => ({ performanceId: command.performanceId, sectionId: command.sectionId }))
    memory.forgetUnknown(sections)
    await memory.ensure(sections)
    const batch = decideBatch(entries, {
      topology,
      shard,
      shardSlot,
      stakes: this.ahead,
      section: (performanceId, sectionId): SectionState => memory.get(performanceId, sectionId),
      storedBefore,
      poison: this.poison,
    })
    for (const [number, { epoch, after }] of batch.stakes) this.ahead.set(number, { epoch, sequence: after })
    return batch
  }

  private async findRepeats(entries: readonly ParsedEntry[]): Promise<ReadonlyMap<string, StoredDecision>> {
    if (!this.suspectRepeats) return new Map()
    const named: NamedCommand[] = []
    for (const parsed of entries) {
      if (parsed.kind === 'command') named.push(parsed.command)
      else if (parsed.malformed.names !== undefined) named.push(parsed.malformed.names)
    }
    return this.ports.findStored(named)
  }

  private startCommit(batch: Batch, entries: readonly ParsedEntry[]): void {
    const ids = this.inFlight.add(entries)
    const needsTransaction = batch.decided.length > 0 || batch.deadLetters.length > 0
    const nothing: CommitResult = { kind: 'committed', refused: new Set() }
    const decidedAtMs = this.ports.nowMs()
    const result = needsTransaction ? this.ports.commit(batch, decidedAtMs) : Promise.resolve(nothing)
    this.committing = { batch, ids, entries: entries.length, decidedAtMs, result }
  }

  /** Waits for the batch that is committing. False: it did not commit, and all that was decided ahead is gone. */
  private async finishCommit(): Promise<boolean> {
    const { committing } = this
    if (committing === undefined) return true
    const result = await committing.result
    this.committing = undefined
    if (result.kind === 'committed') this.applyCommitted(committing.batch, result.refused)
    if (result.kind === 'committed') {
      await this.settleNext(committing, result.refused)
      if (result.refused.size === 0) return true
    }
    await this.afterFailedCommit(committing, result)
    return false
  }

  private applyCommitted(batch: Batch, refused: ReadonlySet<number>): void {
    for (const section of batch.sections) section.commit()
    for (const [number, { epoch, after }] of batch.stakes) {
      if (!refused.has(number)) this.stakes.set(number, { epoch, sequence: after })
    }
    this.backoffMs = FIRST_BACKOFF_MS
    this.limit = Math.min(this.limit * 2, this.ports.maxBatch)
    this.suspectRepeats = false
    reportCommitted(batch, refused, this.ports)
    for (const { record } of batch.decided) this.poison.delete(commandId({ ...record, kind: record.command }))
    for (const { command } of batch.buried) this.poison.delete(commandId(command))
  }

  /** Settles after the batch before has been settled; not waited for, so that the next commit can begin. */
  private async settleNext(committing: Committing, refused: ReadonlySet<number>): Promise<void> {
    await this.settling
    this.settling = this.ports
      .settle(committing.batch, refused, committing.decidedAtMs)
      .then(
        () => undefined,
        (error: unknown) => {
          // Its entries stay, are read again, and found decided.
          this.suspectRepeats = true
          this.ports.metrics.settleFailures.inc()
          this.ports.log.warn({ shard: this.ports.shard, ...errorFields(error) }, 'settling failed')
        },
      )
      .finally(() => {
        this.inFlight.remove(committing.ids)
      })
  }

  private async afterFailedCommit(failed: Committing, result: CommitResult): Promise<void> {
    this.inFlight.remove(failed.ids)
    reportNotCommitted(result, this.ports)
    switch (result.kind) {
      case 'committed':
      case 'refused':
        this.suspectRepeats = true
        break
      case 'stale': {
        const performances = new Set(result.performances)
        this.ports.memory.drop(({ performanceId }) => performances.has(performanceId))
        break
      }
      case 'repeated':
        this.suspectRepeats = true
        break
      case 'wrong-memory':
        this.suspectRepeats = true
        this.dropSectionsOf(failed.batch)
        break
      case 'failed':
        // At the commit itself the end is unknown: memory may lack what was stored.
        this.suspectRepeats = true
        this.dropSectionsOf(failed.batch)
        if (result.failure === 'retry') await this.backOff()
        else await this.isolate(failed, result.cause)
        break
    }
    await this.recover()
  }

  /** A batch that no retry can commit is halved until the culprit is alone, and that one is put aside. */
  private async isolate(failed: Committing, cause: unknown): Promise<void> {
    if (failed.entries > 1) {
      this.limit = Math.ceil(failed.entries / 2)
      return
    }
    const [culprit] = failed.batch.decided
    if (culprit === undefined) {
      await this.backOff()
      return
    }
    const id = commandId({ kind: culprit.record.command, requestId: culprit.record.requestId })
    const { code, errno } = cause as { code?: string; errno?: number }
    const reason = `cannot be committed: ${code ?? errno ?? 'unknown error'}`
    this.poison.set(id, { reason, storeRejection: !this.poison.has(id) })
    this.ports.log.error({ shard: this.ports.shard, command: id, ...errorFields(cause) }, 'entry put aside')
  }

  private async afterError(error: unknown): Promise<void> {
    this.ports.log.warn({ shard: this.ports.shard, ...errorFields(error) }, 'round failed')
    // The read or the preparation failed; a batch may still be committing.
    if (this.committing !== undefined && (await this.finishCommit())) {
      await this.backOff()
      await this.recover()
      return
    }
    await this.backOff()
    await this.recover()
  }

  private async backOff(): Promise<void> {
    await this.ports.sleep(this.backoffMs)
    this.backoffMs = Math.min(this.backoffMs * 2, MAX_BACKOFF_MS)
  }

  /** Forgets everything that is not committed and finds out where we stand. Tries for ever. */
  private async recover(): Promise<void> {
    this.ports.memory.discardOverlays()
    for (;;) {
      try {
        const stakes = await this.ports.recover(this.stakes)
        const lost = this.owned.filter((number) => !stakes.has(number))
        this.stakes = stakes
        this.ahead = new Map(stakes)
        this.lose(lost)
        this.ports.restartReading()
        return
      } catch (error) {
        this.ports.log.warn({ shard: this.ports.shard, ...errorFields(error) }, 'cannot recover yet')
        if (this.isStopping()) return
        await this.backOff()
      }
    }
  }

  private lose(numbers: readonly number[]): void {
    if (numbers.length === 0) return
    this.forgetPartitions(new Set(numbers))
    this.ports.onLost(numbers)
  }

  private forgetPartitions(numbers: ReadonlySet<number>): void {
    const { topology } = this.ports
    this.ports.memory.drop(({ performanceId, sectionId }) =>
      numbers.has(partitionOf(topology, performanceId, sectionId).number),
    )
  }

  private dropSectionsOf(batch: Batch): void {
    const names = new Set(batch.decided.map(({ record }) => `${record.performanceId}/${record.sectionId}`))
    this.ports.memory.drop((key: SectionKey) => names.has(`${key.performanceId}/${key.sectionId}`))
  }
}
