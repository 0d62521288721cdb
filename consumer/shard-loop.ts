import { errorFields } from '../shared/log.ts'
import { partitionOf } from '../shared/placement.ts'
import type { CommitResult } from './commit-batch.ts'
import { decideBatch, type Batch, type Stake, type StoredDecision } from './decide-batch.ts'
import { entryOf } from './entry-set.ts'
import { InFlight } from './in-flight.ts'
import { Intake } from './intake.ts'
import type { ParsedEntry } from './parse-entry.ts'
import { reportCommitted, reportNotCommitted } from './report-batch.ts'
import type { SectionKey } from './section-memory.ts'
import type { SectionState } from './section-state.ts'
import { sectionsOf } from './sections-of-batch.ts'
import type { NamedCommand, ShardLoopPorts } from './shard-loop-ports.ts'
import { Suspects } from './suspects.ts'
import { Tenure } from './tenure.ts'

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
  private readonly tenure = new Tenure()
  private committing: Committing | undefined
  private settling: Promise<void> = Promise.resolve()
  private readonly inFlight = new InFlight()
  private readonly intake: Intake
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
  private wake: () => void = () => undefined

  constructor(ports: ShardLoopPorts) {
    this.ports = ports
    this.intake = new Intake(ports, this.tenure, this.inFlight)
    this.limit = ports.maxBatch
    this.lastRoundMs = ports.monotonicMs()
  }

  /** Takes over partitions that have just been claimed. What memory holds of them is older than the claim. */
  own(stakes: ReadonlyMap<number, Stake>): void {
    this.forgetPartitions(new Set(stakes.keys()))
    this.tenure.own(stakes)
    this.suspectRepeats()
    this.ports.restartReading()
    this.interrupt()
  }

  /**
   * Lets go of partitions: reads them no more, finishes what is in flight, forgets them. They can still be claimed by
   * others before, so nothing rests on it; it spares a refused commit.
   */
  release(numbers: readonly number[]): Promise<void> {
    const released = this.tenure.release(numbers)
    this.interrupt()
    return released
  }

  /** Partitions that it decides. */
  get owned(): readonly number[] {
    return this.tenure.owned
  }

  epochOf(number: number): number | undefined {
    return this.tenure.stored.get(number)?.epoch
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
        this.intake.endTurn()
        if (!this.isStopping()) await this.afterError(error)
      }
      this.intake.endTurn()
    }
    await this.finishAll()
    this.letGo()
  }

  private async finishAll(): Promise<void> {
    if (this.committing !== undefined) await this.finishCommit()
    await this.settling
  }

  /** Nothing of what leaves may be decided and not committed. */
  private letGo(): void {
    if (this.tenure.isLeaving) this.forgetPartitions(new Set(this.tenure.letGo()))
  }

  // A method, because the compiler takes a field that was tested once for unchanged ever after.
  private isStopping(): boolean {
    return this.stopping
  }

  /** One round. Exposed to tests through `run` only. */
  private async step(): Promise<void> {
    if (this.tenure.isLeaving) {
      await this.finishAll()
      this.letGo()
    }
    if (this.tenure.isEmpty) {
      await Promise.race([this.ports.sleep(STANDBY_MS), new Promise<void>((wake) => (this.wake = wake))])
      return
    }
    if (this.isCommittingLittle() && !(await this.finishCommit())) return
    const isAhead = this.committing !== undefined
    const before = new Map(this.tenure.stored)
    const entries = this.suspects.pending
      ? await this.nextSuspects()
      : await this.intake.next(this.limit, isAhead)
    if (entries.length === 0) {
      if (this.committing !== undefined) await this.finishCommit()
      else if (!this.suspects.pending) await this.idle()
      return
    }
    this.idleRounds = 0
    await this.intake.takeTurn(isAhead)
    const checked = this.suspicion
    const batch = await this.prepare(entries, before)
    if (batch === undefined) return
    await this.intake.takeTurn(isAhead)
    if (this.committing !== undefined && !(await this.finishCommit())) return
    this.startCommit(batch, entries, checked)
  }

  /**
   * Deciding ahead of a small batch gains next to nothing, and what arrives while it commits would be spread over two
   * more small batches: of a transaction most of the cost is its own, not its rows'.
   */
  private isCommittingLittle(): boolean {
    return this.committing !== undefined && this.committing.entries.length < this.ports.aheadOf
  }

  /** A part of a batch that failed is tried with nothing ahead of it that could fail with it. */
  private async nextSuspects(): Promise<readonly ParsedEntry[]> {
    if (this.committing !== undefined && !(await this.finishCommit())) return []
    return this.suspects.next().filter((parsed) => this.tenure.has(partitionOfEntry(parsed)))
  }

  /** An owner with nothing to do would never notice that somebody else has claimed: it asks now and then. */
  private async idle(): Promise<void> {
    this.idleRounds += 1
    if (this.idleRounds < IDLE_ROUNDS) return
    this.idleRounds = 0
    await this.recover()
  }

  /**
   * Decides a batch on top of whatever is committing.
   *
   * @param before where it stood when the entries were read
   * @returns undefined if a partition of theirs has been claimed since: what was loaded meanwhile may be older than what
   *   others have committed under the claim before
   */
  private async prepare(
    entries: readonly ParsedEntry[],
    before: ReadonlyMap<number, Stake>,
  ): Promise<Batch | undefined> {
    const { memory, topology, shard, shardSlot } = this.ports
    const storedBefore = await this.findRepeats(entries)
    const sections = sectionsOf(entries, { topology, shard })
    memory.forgetUnknown(sections)
    // Others need not wait for what is loaded: when a sale opens, all shards have hundreds of sections to load at once.
    if (!memory.has(sections)) this.intake.endTurn()
    await memory.ensure(sections)
    const changed = this.tenure.changedSince(before, new Set(entries.map(partitionOfEntry)))
    if (changed.size > 0) {
      this.forgetPartitions(changed)
      this.ports.restartReading()
      return undefined
    }
    const batch = decideBatch(entries, {
      topology,
      shard,
      shardSlot,
      stakes: this.tenure.ahead,
      section: (performanceId, sectionId): SectionState => memory.get(performanceId, sectionId),
      storedBefore,
      marksIn: this.ports.marksIn(),
      poison: this.suspects.poison,
    })
    this.tenure.decidedAhead(batch.stakes)
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
    this.inFlight.add(entries)
    const nothing: CommitResult = { kind: 'committed', refused: new Set() }
    const decidedAtMs = this.ports.nowMs()
    const endTurn = this.intake.handTurnTo(entries.length)
    const result = (
      batch.stakes.size > 0 ? this.ports.commit(batch, decidedAtMs) : Promise.resolve(nothing)
    ).finally(endTurn)
    this.committing = { batch, entries, checked, decidedAtMs, result }
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
    } else this.inFlight.remove(committing.entries)
    await this.afterFailedCommit(committing, result)
    return false
  }

  private applyCommitted({ batch, checked }: Committing, refused: ReadonlySet<number>): void {
    for (const section of batch.sections) section.commit()
    this.tenure.committed(batch.stakes, refused)
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
        this.inFlight.remove(committing.entries)
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
        const asked = new Map(this.tenure.stored)
        this.lose(this.tenure.recovered(asked, await this.ports.recover(asked)))
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

const partitionOfEntry = (parsed: ParsedEntry): number => entryOf(parsed).partition

/** The driver's code of an error; its message may hold values and is not kept. */
function codeOf(cause: unknown): string {
  const { code, errno } = cause as { code?: string; errno?: number }
  return String(code ?? errno ?? 'unknown error')
}
