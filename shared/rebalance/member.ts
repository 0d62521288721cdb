import { FailureDetector } from './failure-detector.ts'
import { Holdings } from './holdings.ts'
import { membersOf, type PartitionMap } from './partition-map.ts'
import type { MemberEffect, MemberEvent } from './protocol.ts'
import { Rebalancing, type Situation } from './rebalancing.ts'

/**
 * joining ──named by a map──> active ──leave──> leaving ──nothing held──> left
 *
 * - joining: shows itself to the others; no map names it yet
 * - active:  follows the maps, watches the others
 * - leaving: goes on deciding until a map gives its partitions away, then lets go of them
 * - left:    is taken out of Redis and may end
 */
export type MemberPhase = 'joining' | 'active' | 'leaving' | 'left'

export interface MemberOptions {
  /** Fresh at each boot: a restarted process is another member. */
  readonly name: string
  readonly partitions: number
  readonly heartbeatMs: number
  /** At least three heartbeats. */
  readonly memberTimeoutMs: number
  /** From 0 to 1. */
  readonly random: () => number
}

/** Between two looks at the newest map in MySQL that nothing called for. */
const RECONCILE_MS = 3_000
const RETRY_MS = 500
const GATHER_HEARTBEATS = 1.2
const GATHER_AFTER_DEATH_HEARTBEATS = 0.4
const LONGEST_GATHER_MS = 1_000
const LONGEST_GATHER_HEARTBEATS = 4
const ATTEMPT_TIMEOUT_MS = 3_000
const LOCK_RETRY_MS = 100
/** After which a leaving member lets go although no map has taken its partitions away. */
const LEAVE_TIMEOUT_MS = 5_000

/**
 * The ownership protocol of one member: what it hears goes in, what it wants done comes out. Pure but for its own
 * state: time is handed in (the member's monotonic clock, in milliseconds), so are effects' answers.
 *
 * No promise rests on it. It decides who should try to own what; MySQL's rows decide who does.
 */
export class Member {
  private readonly options: MemberOptions
  private readonly detector: FailureDetector
  private readonly holdings: Holdings
  private readonly rebalancing: Rebalancing
  private currentPhase: MemberPhase = 'joining'
  private newest: PartitionMap | undefined
  private highest = 0
  private redisId: string | undefined
  private counter = 0
  /** This member's own progress counts: without it nobody else is judged. */
  private healthyAtMs: number | undefined
  /**
   * Whether that came soon after the time before. One that is slow again and again would name itself in a map each time,
   * and the others, to whom it is dead, would take it out.
   */
  private keepsPace = false
  private isProbing = false
  private isExchanging = false
  private isReading = false
  private nextBeatMs = 0
  private nextReadMs = 0
  private nextRetryMs = 0
  private leaveByMs = Infinity
  /** The first exchange that says so; undefined while none has begun. */
  private firstLeavingExchange: number | undefined
  private hasSaidThatItLeaves = false
  private lostSinceRead = false
  /** Exchanges begun, and the first of them that began after the newest map was adopted. */
  private exchanges = 0
  private firstFreshExchange = 1
  private isViewFresh = false
  /** Half a time-out without progress, or without a look at the others, takes away the right to judge. */
  private readonly longestGapMs: number

  constructor(options: MemberOptions) {
    this.options = options
    const { heartbeatMs, memberTimeoutMs, partitions, random } = options
    this.longestGapMs = memberTimeoutMs / 2
    this.detector = new FailureDetector({ memberTimeoutMs, longestGapMs: this.longestGapMs })
    this.holdings = new Holdings(options.name)
    this.rebalancing = new Rebalancing({
      partitions,
      random,
      gatherMs: GATHER_HEARTBEATS * heartbeatMs,
      gatherAfterDeathMs: GATHER_AFTER_DEATH_HEARTBEATS * heartbeatMs,
      longestGatherMs: Math.max(LONGEST_GATHER_MS, LONGEST_GATHER_HEARTBEATS * heartbeatMs),
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      lockRetryMs: LOCK_RETRY_MS,
    })
  }

  get phase(): MemberPhase {
    return this.currentPhase
  }

  /** Of the newest map that it follows; 0 before the first. */
  get generation(): number {
    return this.newest?.generation ?? 0
  }

  get members(): readonly string[] {
    return membersOf(this.newest)
  }

  get owned(): readonly number[] {
    return this.holdings.owned
  }

  get hasAllItWants(): boolean {
    return this.holdings.hasAllItWants
  }

  /** Whether the newest map gives a partition to this member. */
  wants(partition: number): boolean {
    return this.holdings.wants(partition)
  }

  /** Named by the newest map it knows, and holding just what that gives it, which may be nothing. */
  get isSettled(): boolean {
    return this.currentPhase === 'active' && this.holdings.isSettled
  }

  /** As far as it knows, nobody else is there to own anything. */
  get isAlone(): boolean {
    return this.detector.staying.every((member) => member === this.options.name)
  }

  handle(event: MemberEvent, nowMs: number): MemberEffect[] {
    const effects = this.react(event, nowMs)
    this.enterNextPhase(nowMs, effects)
    return effects
  }

  private react(event: MemberEvent, nowMs: number): MemberEffect[] {
    switch (event.kind) {
      case 'tick':
        return this.tick(nowMs)
      case 'probed':
        return this.probed(event.ok, nowMs)
      case 'exchanged':
        return this.exchanged(event, nowMs)
      case 'exchange-failed':
        this.isExchanging = false
        return []
      case 'map-read':
        return this.mapRead(event, nowMs)
      case 'map-read-failed':
        this.isReading = false
        return this.rebalancing.mapReadFailed(nowMs)
      case 'map-heard':
        return this.heard(event.map, nowMs)
      case 'locked':
        return this.read(this.rebalancing.locked(event.attempt))
      case 'lock-refused':
        return this.rebalancing.refused(event.attempt, nowMs)
      case 'map-stored':
        return [...this.adopt(event.map, nowMs), ...this.rebalancing.stored(event.attempt, event.map, nowMs)]
      case 'map-refused':
        return this.readSoon(this.rebalancing.refused(event.attempt, nowMs))
      case 'claimed':
        this.highest = Math.max(this.highest, ...event.refused.map(({ generation }) => generation))
        return [
          ...this.holdings.claimed(event.generation, event.partitions, event.refused),
          ...(event.refused.length > 0 ? this.readSoon([]) : []),
        ]
      case 'claim-failed':
        this.holdings.claimFailed(event.partitions)
        return []
      case 'stamped':
        return [
          ...this.holdings.stamped(event.generation, event.kept, event.lost),
          ...(event.lost.length > 0 ? this.lost() : []),
        ]
      case 'stamp-failed':
        this.holdings.stampFailed(event.partitions)
        return []
      case 'released':
        return this.holdings.released(event.partitions)
      case 'lost':
        this.holdings.lost(event.partitions)
        return this.lost()
      case 'leave':
        return this.leave(nowMs)
    }
  }

  private tick(nowMs: number): MemberEffect[] {
    const effects: MemberEffect[] = []
    if (this.currentPhase === 'left') return effects
    if (nowMs >= this.nextBeatMs) {
      this.nextBeatMs = nowMs + this.options.heartbeatMs
      // A probe that has not come back by the next beat: the others are still read, but nothing is shown of progress.
      if (this.isProbing) effects.push(...this.exchange(nowMs))
      else {
        this.isProbing = true
        effects.push({ kind: 'probe' })
      }
    }
    if (nowMs >= this.nextReadMs) effects.push(...this.readSoon([], nowMs))
    if (nowMs >= this.nextRetryMs) {
      this.nextRetryMs = nowMs + RETRY_MS
      effects.push(...this.holdings.retry())
    }
    if (nowMs >= this.leaveByMs) effects.push(...this.holdings.giveUp())
    effects.push(...this.rebalancing.tick(this.situation(nowMs)))
    return effects
  }

  private probed(ok: boolean, nowMs: number): MemberEffect[] {
    this.isProbing = false
    if (ok) {
      this.keepsPace = this.healthyAtMs === undefined || this.isHealthy(nowMs)
      // Back after a time without progress: what kept this member may have kept the others too.
      if (!this.isHealthy(nowMs)) this.detector.holdOff(nowMs)
      this.healthyAtMs = nowMs
      this.counter += 1
    }
    return this.exchange(nowMs)
  }

  private isHealthy(nowMs: number): boolean {
    return this.healthyAtMs !== undefined && nowMs - this.healthyAtMs <= this.longestGapMs
  }

  private exchange(nowMs: number): MemberEffect[] {
    if (this.isExchanging || this.counter === 0 || this.currentPhase === 'left') return []
    const isLeaving = this.currentPhase === 'leaving'
    this.isExchanging = true
    this.exchanges += 1
    if (isLeaving) this.firstLeavingExchange ??= this.exchanges
    const isShown = isLeaving || this.isHealthy(nowMs)
    const beat = isShown ? { counter: this.counter, leaving: isLeaving } : undefined
    return [{ kind: 'exchange', beat, forget: this.forgettable(nowMs) }]
  }

  /** The dead whom the newest map no longer names. */
  private forgettable(nowMs: number): ReadonlyMap<string, number> {
    if (!this.isHealthy(nowMs)) return new Map()
    const named = new Set(membersOf(this.newest))
    return new Map([...this.detector.expired].filter(([name]) => !named.has(name)))
  }

  private exchanged(event: MemberEvent & { kind: 'exchanged' }, nowMs: number): MemberEffect[] {
    this.isExchanging = false
    if (this.currentPhase === 'left') return []
    this.hasSaidThatItLeaves = this.exchanges >= (this.firstLeavingExchange ?? Infinity)
    const isAnother = this.redisId !== undefined && this.redisId !== event.redisId
    this.redisId = event.redisId
    this.detector.look(event.beats, membersOf(this.newest), nowMs)
    if (isAnother) this.detector.holdOff(nowMs)
    this.isViewFresh = this.exchanges >= this.firstFreshExchange
    return this.rebalancing.tick(this.situation(nowMs))
  }

  private mapRead({ newest, highest }: MemberEvent & { kind: 'map-read' }, nowMs: number): MemberEffect[] {
    this.isReading = false
    this.highest = Math.max(this.highest, highest)
    const effects = newest === undefined ? [] : this.adopt(newest, nowMs)
    if (this.lostSinceRead) {
      this.lostSinceRead = false
      effects.push(...this.holdings.retry())
    }
    effects.push(...this.rebalancing.mapRead(this.situation(nowMs)))
    return effects
  }

  /** What is not the very next map is looked up: Redis may be of another time than MySQL. */
  private heard(map: PartitionMap, nowMs: number): MemberEffect[] {
    if (map.generation === this.generation + 1) return this.adopt(map, nowMs)
    return map.generation > this.generation ? this.readSoon([]) : []
  }

  private adopt(map: PartitionMap, nowMs: number): MemberEffect[] {
    if (map.generation <= this.generation) return []
    this.newest = map
    this.highest = Math.max(this.highest, map.generation)
    // A look from before it would undo it: its maker saw more.
    this.isViewFresh = false
    this.firstFreshExchange = this.exchanges + 1
    return [...this.holdings.adopt(map), ...this.exchange(nowMs)]
  }

  private lost(): MemberEffect[] {
    this.lostSinceRead = true
    return this.readSoon([])
  }

  /** Reads the newest map, unless that is under way. */
  private readSoon(others: MemberEffect[], nowMs?: number): MemberEffect[] {
    if (nowMs !== undefined) this.nextReadMs = nowMs + RECONCILE_MS
    return this.read([...others, { kind: 'read-map' }])
  }

  /** One reading at a time. */
  private read(effects: MemberEffect[]): MemberEffect[] {
    const wanted = effects.some(({ kind }) => kind === 'read-map')
    const others = effects.filter(({ kind }) => kind !== 'read-map')
    if (!wanted || this.isReading) return others
    this.isReading = true
    return [...others, { kind: 'read-map' }]
  }

  private leave(nowMs: number): MemberEffect[] {
    if (this.currentPhase === 'leaving' || this.currentPhase === 'left') return []
    this.currentPhase = 'leaving'
    this.leaveByMs = nowMs + LEAVE_TIMEOUT_MS
    this.nextBeatMs = nowMs + this.options.heartbeatMs
    return this.exchange(nowMs)
  }

  private enterNextPhase(nowMs: number, effects: MemberEffect[]): void {
    if (this.currentPhase === 'joining' && this.members.includes(this.options.name)) {
      this.currentPhase = 'active'
    }
    if (this.currentPhase !== 'leaving') return
    const hasNobodyToHandOverTo = this.mayJudge(nowMs) && this.detector.staying.length === 0
    if (hasNobodyToHandOverTo) effects.push(...this.holdings.giveUp())
    // Who had shown itself must have said that it leaves, or the others would wait for it, or give it something yet.
    const isKnownToLeave = this.hasSaidThatItLeaves || this.counter === 0 || nowMs >= this.leaveByMs
    if (!this.holdings.isEmpty || !isKnownToLeave) return
    this.currentPhase = 'left'
    effects.push({ kind: 'depart' })
  }

  private mayJudge(nowMs: number): boolean {
    return this.isViewFresh && this.keepsPace && this.isHealthy(nowMs)
  }

  private situation(nowMs: number): Situation {
    return {
      nowMs,
      newest: this.newest,
      highest: this.highest,
      staying: this.mayJudge(nowMs) ? this.detector.staying : [],
      isExpired: (member) => this.detector.isExpired(member),
    }
  }
}
