import { assignPartitions } from '../ring/assign.ts'
import { membersOf, type PartitionMap } from './partition-map.ts'
import type { MemberEffect, RebalanceReason } from './protocol.ts'

/** What a member knows when it asks itself whether the partitions should be spread anew. */
export interface Situation {
  readonly nowMs: number
  readonly newest: PartitionMap | undefined
  /** The highest generation known from anywhere: maps, or rows of partitions. */
  readonly highest: number
  /** Who should own something, sorted. Empty: nobody is there, or this member may not judge. */
  readonly staying: readonly string[]
  /** Of the newest map's members, whether it is dead rather than gone. */
  readonly isExpired: (member: string) => boolean
}

export interface RebalancingOptions {
  /** Partitions of the topology. */
  readonly partitions: number
  /**
   * Changes that follow each other within this time become one generation; longer than the time between two looks at
   * the others, or each look would be one. Not so long after a death: partitions stand still until it is over.
   */
  readonly gatherMs: number
  readonly gatherAfterDeathMs: number
  /** No change waits longer than this. */
  readonly longestGatherMs: number
  /** After which an attempt that got no answer is given up, and before which a refused lock is not tried again. */
  readonly attemptTimeoutMs: number
  readonly lockRetryMs: number
  /** From 0 to 1: spreads the attempts of those who saw the same thing at the same time. */
  readonly random: () => number
}

interface Attempt {
  readonly number: number
  readonly startedAtMs: number
  step: 'locking' | 'reading' | 'storing'
}

/**
 * quiet ──reason──> gathering ──> locking ──> reading ──> storing ──> quiet
 *                                   └───────refused, failed, too late──────┘
 *
 * One member at a time, by a lock that only saves work: of two that store the same generation, one fails. Under the
 * lock the newest map is read from the database, and nothing is stored if it already says what it should.
 */
export class Rebalancing {
  private readonly options: RebalancingOptions
  private attempts = 0
  private attempt: Attempt | undefined
  private wish: { readonly sinceMs: number; changedAtMs: number; what: string } | undefined
  private notBeforeMs = 0

  constructor(options: RebalancingOptions) {
    this.options = options
  }

  tick(situation: Situation): MemberEffect[] {
    const { nowMs } = situation
    const { attempt } = this
    if (attempt !== undefined) {
      if (nowMs - attempt.startedAtMs < this.options.attemptTimeoutMs) return []
      return this.end(nowMs)
    }
    if (!this.isDue(situation)) return []
    this.attempts += 1
    this.attempt = { number: this.attempts, startedAtMs: nowMs, step: 'locking' }
    return [{ kind: 'lock', attempt: this.attempts }]
  }

  locked(number: number): MemberEffect[] {
    // Of an attempt that was given up: nobody waits for this lock any more.
    if (this.attempt?.number !== number) return [{ kind: 'unlock', attempt: number }]
    this.attempt.step = 'reading'
    return [{ kind: 'read-map' }]
  }

  refused(number: number, nowMs: number): MemberEffect[] {
    if (this.attempt?.number !== number) return []
    const { step } = this.attempt
    const ended = this.end(nowMs)
    return step === 'locking' ? [] : ended
  }

  /** After a look at the database: makes the map that should follow, if one should. */
  mapRead(situation: Situation): MemberEffect[] {
    const { attempt } = this
    if (attempt?.step !== 'reading') return []
    const reason = this.reasonFor(situation)
    if (reason === undefined) return this.end(situation.nowMs)
    attempt.step = 'storing'
    const { newest, highest, staying } = situation
    const map: PartitionMap = {
      generation: Math.max(highest, newest?.generation ?? 0) + 1,
      assignment: assignPartitions(this.options.partitions, staying, newest?.assignment),
    }
    return [{ kind: 'store-map', attempt: attempt.number, map, reason }]
  }

  mapReadFailed(nowMs: number): MemberEffect[] {
    return this.attempt?.step === 'reading' ? this.end(nowMs) : []
  }

  /** Whoever's attempt it was: what stands in the database is told to all. */
  stored(number: number, map: PartitionMap, nowMs: number): MemberEffect[] {
    const broadcast: MemberEffect = { kind: 'broadcast', map }
    return [broadcast, ...(this.attempt?.number === number ? this.end(nowMs) : [])]
  }

  private end(nowMs: number): MemberEffect[] {
    const number = this.attempt?.number ?? 0
    this.attempt = undefined
    this.wish = undefined
    this.notBeforeMs = nowMs + this.options.lockRetryMs * (1 + this.options.random())
    return [{ kind: 'unlock', attempt: number }]
  }

  /** Waits until what is wished for has been the same for a moment. */
  private isDue(situation: Situation): boolean {
    const { nowMs, staying } = situation
    const reason = this.reasonFor(situation)
    if (reason === undefined) {
      this.wish = undefined
      return false
    }
    const what = `${situation.newest?.generation ?? 0} ${staying.join(' ')}`
    this.wish ??= { sinceMs: nowMs, changedAtMs: nowMs, what }
    if (this.wish.what !== what) {
      this.wish.what = what
      this.wish.changedAtMs = nowMs
    }
    const { gatherAfterDeathMs, longestGatherMs } = this.options
    const gatherMs = reason === 'expiry' ? gatherAfterDeathMs : this.options.gatherMs
    const isGathered =
      nowMs - this.wish.changedAtMs >= gatherMs || nowMs - this.wish.sinceMs >= longestGatherMs
    return isGathered && nowMs >= this.notBeforeMs
  }

  private reasonFor({ newest, highest, staying, isExpired }: Situation): RebalanceReason | undefined {
    if (staying.length === 0) return undefined
    if (newest === undefined) return 'first'
    if (newest.assignment.owners.length !== this.options.partitions) return 'topology'
    const present = new Set(staying)
    const named = membersOf(newest)
    const gone = named.filter((member) => !present.has(member))
    if (gone.length > 0) return gone.some((member) => isExpired(member)) ? 'expiry' : 'leave'
    if (named.length !== present.size) return 'join'
    return newest.generation < highest ? 'refused' : undefined
  }
}
