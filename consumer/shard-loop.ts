import { errorFields, type Log } from '../shared/log.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import { READ_BLOCK_MS } from '../shared/redis/connect.ts'
import type { CommitResult } from './commit-batch.ts'
import { decideBatch, isStray, type Batch, type Stake, type StoredDecision } from './decide-batch.ts'
import { InFlight } from './in-flight.ts'
import type { ConsumerMetrics } from './metrics.ts'
import { parseEntry, type Entry, type ParsedEntry } from './parse-entry.ts'
import { reportCommitted, reportNotCommitted } from './report-batch.ts'
import type { SectionKey, SectionMemory } from './section-memory.ts'
import type { SectionState } from './section-state.ts'
import type { ReadRequest } from './shard-reader.ts'
import { Suspects } from './suspects.ts'

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

/** Without partitions there is nothing to do but to wait for some; looked at again this often all the same. */
const STANDBY_MS = 1_000
/** Reads in a row that found nothing, after which an owner looks whether it still is one: every two seconds or so. */
const IDLE_ROUNDS = 4
/** Failures in a row that reloading may mend; beyond that the batch itself is suspected. */
const PATIENCE = 2
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2_000

interface Committing {
  readonly batch: Batch
  readonly ids: readonly string[]
  readonly entries: readonly ParsedEntry[]
  /** The suspicion of repeats under which it was checked for them; 0: it was not. */
  readonly checked: number
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
  private readonly suspects = new Suspects()
  /** Other than 0: MySQL is asked for repeats before a batch is decided. Raised anew by each thing that suggests some. */
  private suspicion = 1
  private suspicions = 1
  /** Batches in a row that did not commit. */
  private fruitless = 0
  /** Entries of a batch; halved while a batch cannot be committed, doubled with each that can. */
  private limit: number
  private backoffMs = FIRST_BACKOFF_MS
  private idleRounds = 0
  private stopping = false
  private lastRoundMs: number
  /** Claimed, and not yet read. */
  private readonly unread = new Set<number>()
  private leavers: { readonly numbers: readonly number[]; readonly letGo: () => void }[] = []
  private wake: () => void = () => undefined

  constructor(ports: ShardLoopPorts) {
    this.ports = ports
    this.limit = ports.maxBatch
    this.lastRoundMs = ports.monotonicMs()
  }

  /** Takes over partitions that have just been claimed. What memory holds of them is older than the claim. */
  own(stakes: ReadonlyMap<number, Stake>): void {
    this.forgetPartitions(new Set(stakes.keys()))
    for (const [number, stake] of stakes) {
      this.stakes.set(number, stake)
      this.ahead.set(number, stake)
      this.unread.add(number)
    }
    this.suspectRepeats()
    this.ports.restartReading()
    this.interrupt()
  }

  /**
   * Lets go of partitions: reads them no more, finishes what is in flight, forgets them. They can still be claimed by
   * others before, so nothing rests on it; it spares a refused commit.
   */
  release(numbers: readonly number[]): Promise<void> {
    return new Promise((letGo) => {
      this.leavers.push({ numbers, letGo })
      this.interrupt()
    })
  }

  /** Partitions that it decides. */
  get owned(): readonly number[] {
    const leaving = new Set(this.leavers.flatMap(({ numbers }) => numbers))
    return [...this.stakes.keys()].filter((number) => !leaving.has(number))
  }

  epochOf(number: number): number | undefined {
    return this.stakes.get(number)?.epoch
  }

  /** Milliseconds since the loop last got round without an error. Readiness looks at it. */
  get standstillMs(): number {
    return this.ports.monotonicMs() - this.lastRoundMs
  }

  /** Finishes the batch in flight, then `run` returns. The caller ends a blocking read. */
  stop(): void {
    this.stopping = true
    this.interrupt()
  }

  private interrupt(): void {
    this.wake()
    this.ports.interruptRead()
  }

  async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.step()
        this.lastRoundMs = this.ports.monotonicMs()
      } catch (error) {
        if (!this.isStopping()) await this.afterError(error)
      }
    }
    await this.finishAll()
    this.letGo()
  }

  private async finishAll(): Promise<void> {
    if (this.committing !== undefined) await this.finishCommit()
    await this.settling
  }

  /** Forgets what is to be released. Nothing of it may be decided and not committed. */
  private letGo(): void {
    const { leavers } = this
    if (leavers.length === 0) return
    const numbers = leavers.flatMap((each) => each.numbers)
    for (const number of numbers) {
      this.stakes.delete(number)
      this.ahead.delete(number)
      this.unread.delete(number)
    }
    this.forgetPartitions(new Set(numbers))
    this.leavers = []
    for (const each of leavers) each.letGo()
  }

  // A method, because the compiler takes a field that was tested once for unchanged ever after.
  private isStopping(): boolean {
    return this.stopping
  }

  /** One round. Exposed to tests through `run` only. */
  private async step(): Promise<void> {
    if (this.leavers.length > 0) {
      await this.finishAll()
      this.letGo()
    }
    if (this.stakes.size === 0) {
      await Promise.race([this.ports.sleep(STANDBY_MS), new Promise<void>((wake) => (this.wake = wake))])
      return
    }
    const entries = this.suspects.pending ? await this.nextSuspects() : await this.readFresh()
    if (entries.length === 0) {
      if (this.committing !== undefined) await this.finishCommit()
      else if (!this.suspects.pending) await this.idle()
      return
    }
    this.idleRounds = 0
    const checked = this.suspicion
    const batch = await this.prepare(entries)
    if (this.committing !== undefined && !(await this.finishCommit())) return
    this.startCommit(batch, entries, checked)
  }

  /** A part of a batch that failed is tried with nothing ahead of it that could fail with it. */
  private async nextSuspects(): Promise<readonly ParsedEntry[]> {
    if (this.committing !== undefined && !(await this.finishCommit())) return []
    return this.suspects.next().filter((parsed) => this.stakes.has(partitionOfEntry(parsed)))
  }

  /** An owner with nothing to do would never notice that somebody else has claimed: it asks now and then. */
  private async idle(): Promise<void> {
    this.idleRounds += 1
    if (this.idleRounds < IDLE_ROUNDS) return
    this.idleRounds = 0
    await this.recover()
  }

  private async readFresh(): Promise<ParsedEntry[]> {
    const fresh: ParsedEntry[] = []
    const blockMs = this.committing === undefined ? READ_BLOCK_MS : 0
    const inFlight = this.inFlight.mostOfOnePartition
    const partitions = this.owned
    this.noteServing(partitions)
    await this.ports.read({ partitions, limit: this.limit, inFlight, blockMs }, (entry) => {
      const parsed = parseEntry(entry)
      // While it waited, a partition may have been lost or claimed anew.
      if (this.inFlight.has(parsed) || !this.stakes.has(entry.partition)) return false
      fresh.push(parsed)
      return true
    })
    return fresh
  }

  private noteServing(partitions: readonly number[]): void {
    if (this.unread.size === 0) return
    const serving = partitions.filter((number) => this.unread.delete(number))
    if (serving.length > 0) this.ports.onServing(serving)
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
      poison: this.suspects.poison,
    })
    for (const [number, { epoch, after }] of batch.stakes) this.ahead.set(number, { epoch, sequence: after })
    return batch
  }

  private async findRepeats(entries: readonly ParsedEntry[]): Promise<ReadonlyMap<string, StoredDecision>> {
    if (this.suspicion === 0) return new Map()
    const named: NamedCommand[] = []
    for (const parsed of entries) {
      if (parsed.kind === 'command') named.push(parsed.command)
      else if (parsed.malformed.names !== undefined) named.push(parsed.malformed.names)
    }
    return this.ports.findStored(named)
  }

  private startCommit(batch: Batch, entries: readonly ParsedEntry[], checked: number): void {
    const ids = this.inFlight.add(entries)
    const nothing: CommitResult = { kind: 'committed', refused: new Set() }
    const decidedAtMs = this.ports.nowMs()
    const result = batch.stakes.size > 0 ? this.ports.commit(batch, decidedAtMs) : Promise.resolve(nothing)
    this.committing = { batch, ids, entries, checked, decidedAtMs, result }
  }

  /** Waits for the batch that is committing. False: it did not commit, and all that was decided ahead is gone. */
  private async finishCommit(): Promise<boolean> {
    const { committing } = this
    if (committing === undefined) return true
    const result = await committing.result
    this.committing = undefined
    if (result.kind === 'committed') {
      this.applyCommitted(committing, result.refused)
      await this.settleNext(committing, result.refused)
      if (result.refused.size === 0) return true
    } else this.inFlight.remove(committing.ids)
    await this.afterFailedCommit(committing, result)
    return false
  }

  private applyCommitted({ batch, checked }: Committing, refused: ReadonlySet<number>): void {
    for (const section of batch.sections) section.commit()
    for (const [number, { epoch, after }] of batch.stakes) {
      // Claimed anew while it committed: what that claim has read is newer, and its epoch is the one in force.
      const isCurrent = this.stakes.get(number)?.epoch === epoch
      if (isCurrent && !refused.has(number)) this.stakes.set(number, { epoch, sequence: after })
    }
    this.backoffMs = FIRST_BACKOFF_MS
    this.fruitless = 0
    this.limit = Math.min(this.limit * 2, this.ports.maxBatch)
    // Cleared by a batch that was checked and had none, unless something has raised it since.
    if (checked === this.suspicion && batch.repeats.length === 0) this.suspicion = 0
    this.suspects.acquit(batch)
    reportCommitted(batch, refused, this.ports)
  }

  private suspectRepeats(): void {
    this.suspicions += 1
    this.suspicion = this.suspicions
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
          this.suspectRepeats()
          this.ports.metrics.settleFailures.inc()
          this.ports.log.warn({ shard: this.ports.shard, ...errorFields(error) }, 'settling failed')
        },
      )
      .finally(() => {
        this.inFlight.remove(committing.ids)
      })
  }

  private async afterFailedCommit(failed: Committing, result: CommitResult): Promise<void> {
    reportNotCommitted(result, this.ports)
    this.suspectRepeats()
    this.fruitless += 1
    this.limit = Math.max(1, Math.ceil(this.limit / 2))
    switch (result.kind) {
      case 'committed':
      case 'refused':
        break
      case 'stale': {
        const performances = new Set(result.performances)
        this.ports.memory.drop(({ performanceId }) => performances.has(performanceId))
        if (this.fruitless > PATIENCE) await this.backOff()
        break
      }
      case 'repeated':
      case 'wrong-memory':
        this.dropSectionsOf(failed.batch)
        if (this.fruitless > PATIENCE) await this.isolate(failed, result.kind)
        break
      case 'failed':
        // At the commit itself the end is unknown: memory may lack what was stored.
        this.dropSectionsOf(failed.batch)
        if (result.failure === 'retry') {
          this.suspects.clear()
          await this.backOff()
        } else await this.isolate(failed, codeOf(result.cause))
        break
    }
    await this.recover()
  }

  private async isolate(failed: Committing, why: string): Promise<void> {
    const condemned = this.suspects.take(failed.entries, failed.batch, `cannot be committed: ${why}`)
    if (condemned !== undefined) {
      this.ports.log.error({ shard: this.ports.shard, command: condemned, why }, 'entry put aside')
    } else if (!this.suspects.pending) await this.backOff()
  }

  private async afterError(error: unknown): Promise<void> {
    this.ports.log.warn({ shard: this.ports.shard, ...errorFields(error) }, 'round failed')
    // The read or the preparation failed; a batch may still be committing.
    if (this.committing !== undefined) await this.finishCommit()
    this.suspects.clear()
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
      this.letGo()
      try {
        const asked = new Map(this.stakes)
        const stakes = await this.ports.recover(asked)
        // What was claimed in the meantime is as fresh as can be.
        const lost: number[] = []
        for (const [number, before] of asked) {
          if (this.stakes.get(number)?.epoch !== before.epoch) continue
          const stake = stakes.get(number)
          if (stake === undefined) {
            this.stakes.delete(number)
            lost.push(number)
          } else this.stakes.set(number, stake)
        }
        this.ahead = new Map(this.stakes)
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

function partitionOfEntry(parsed: ParsedEntry): number {
  return (parsed.kind === 'command' ? parsed.entry : parsed.malformed.entry).partition
}

/** The driver's code of an error; its message may hold values and is not kept. */
function codeOf(cause: unknown): string {
  const { code, errno } = cause as { code?: string; errno?: number }
  return String(code ?? errno ?? 'unknown error')
}
