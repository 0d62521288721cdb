import { errorFields, type Log } from '../shared/log.ts'
import type { Beat } from '../shared/rebalance/failure-detector.ts'
import type { Member, MemberPhase } from '../shared/rebalance/member.ts'
import type { PartitionMap } from '../shared/rebalance/partition-map.ts'
import type {
  MemberEffect,
  MemberEvent,
  RebalanceReason,
  RefusedClaim,
} from '../shared/rebalance/protocol.ts'
import { Fitness } from './fitness.ts'
import type { OwnershipMetrics } from './metrics.ts'

export interface Lock {
  release(): Promise<void>
}

/** What a member's effects come down to. Each may fail by throwing; the protocol tries again. */
export interface OwnershipPorts {
  readonly log: Log
  readonly metrics: OwnershipMetrics
  monotonicMs(): number
  /** Resolves early when the consumer is told to hurry. */
  sleep(ms: number): Promise<void>
  /** Whether MySQL answers and the loops get round. */
  probe(): Promise<boolean>
  exchange(
    beat: Beat | undefined,
    forget: ReadonlyMap<string, number>,
  ): Promise<{ readonly beats: ReadonlyMap<string, Beat>; readonly redisId: string }>
  readMap(): Promise<{ readonly newest: PartitionMap | undefined; readonly highest: number }>
  /** Undefined: somebody else has it. */
  lock(): Promise<Lock | undefined>
  /** @returns what is stored; throws if the generation is taken */
  storeMap(map: PartitionMap, reason: RebalanceReason): Promise<PartitionMap>
  broadcast(map: PartitionMap): Promise<void>
  /** `answer` is told of each part at once; parts of which it is not told have failed. */
  claim(
    generation: number,
    partitions: readonly number[],
    answer: (claimed: readonly number[], refused: readonly RefusedClaim[]) => void,
  ): Promise<void>
  /** @returns the partitions that are still ours */
  stamp(generation: number, partitions: readonly number[]): Promise<ReadonlySet<number>>
  release(partitions: readonly number[]): Promise<void>
}

/** Finest step of the protocol's times. */
const TICK_MS = 50

/**
 * Drives the ownership protocol of one consumer: turns its effects into calls, and their answers into its events. What
 * to do it leaves to `Member`; how it is done, to its ports.
 */
export class Ownership {
  private readonly member: Member
  private readonly ports: OwnershipPorts
  private readonly memberTimeoutMs: number
  private readonly fitness: Fitness
  private readonly locks = new Map<number, Lock>()
  /** When each partition that is being taken over was given to this consumer. */
  private readonly awaited = new Map<number, number>()
  private phase: MemberPhase
  private departed = false

  /** @param memberTimeoutMs without a sign of life after which others take this consumer for dead */
  constructor(member: Member, ports: OwnershipPorts, memberTimeoutMs: number) {
    this.member = member
    this.memberTimeoutMs = memberTimeoutMs
    this.fitness = new Fitness(memberTimeoutMs)
    this.ports = ports
    this.phase = member.phase
  }

  /**
   * Takes part until it has left.
   *
   * @param onTick is called after each step of time
   */
  async run(onTick: () => void): Promise<void> {
    while (!this.departed) {
      this.dispatch({ kind: 'tick' })
      onTick()
      await this.ports.sleep(TICK_MS)
    }
  }

  /** Hands everything over; `run` returns when that is done. */
  leave(): void {
    this.dispatch({ kind: 'leave' })
  }

  /** A map was broadcast. */
  heard(map: PartitionMap): void {
    this.dispatch({ kind: 'map-heard', map })
  }

  /** Somebody else has claimed these. */
  lost(partitions: readonly number[]): void {
    this.ports.metrics.moves.inc({ how: 'lost' }, partitions.length)
    this.dispatch({ kind: 'lost', partitions })
  }

  /** Partitions whose streams are read for the first time since they were claimed. */
  serving(partitions: readonly number[]): void {
    const nowMs = this.ports.monotonicMs()
    let longestMs = 0
    for (const partition of partitions) {
      const waitedMs = nowMs - (this.awaited.get(partition) ?? nowMs)
      this.awaited.delete(partition)
      longestMs = Math.max(longestMs, waitedMs)
      this.ports.metrics.handOverSeconds.observe(waitedMs / 1_000)
    }
    this.ports.log.info(
      { partitions: partitions.length, stoodStillMs: Math.round(longestMs) },
      'partitions taken over',
    )
  }

  private dispatch(event: MemberEvent): void {
    const before = this.member.generation
    const effects = this.member.handle(event, this.ports.monotonicMs())
    if (this.member.generation !== before) this.noteGeneration()
    if (this.member.phase !== this.phase) {
      this.phase = this.member.phase
      this.ports.log.info({ phase: this.phase }, 'membership')
    }
    for (const effect of effects) void this.carryOut(effect)
  }

  private noteGeneration(): void {
    const { generation, members } = this.member
    for (const partition of this.awaited.keys()) {
      if (!this.member.wants(partition)) this.awaited.delete(partition)
    }
    this.ports.metrics.generation.set(generation)
    this.ports.metrics.members.set(members.length)
    this.ports.log.info({ generation, members: members.length }, 'following a new map')
  }

  /** Never throws: what fails is an event like any other. */
  private async carryOut(effect: MemberEffect): Promise<void> {
    try {
      await this.attempt(effect)
    } catch (error) {
      this.ports.log.debug({ effect: effect.kind, ...errorFields(error) }, 'membership step failed')
      const failure = failureOf(effect)
      if (failure !== undefined) this.dispatch(failure)
    }
  }

  private async attempt(effect: MemberEffect): Promise<void> {
    const { ports } = this
    switch (effect.kind) {
      case 'probe':
        await this.probe()
        return
      case 'exchange':
        await this.exchange(effect)
        return
      case 'read-map':
        this.dispatch({ kind: 'map-read', ...(await ports.readMap()) })
        return
      case 'lock':
        await this.takeLock(effect.attempt)
        return
      case 'unlock': {
        const lock = this.locks.get(effect.attempt)
        this.locks.delete(effect.attempt)
        await lock?.release()
        return
      }
      case 'store-map':
        await this.storeMap(effect)
        return
      case 'broadcast':
        await ports.broadcast(effect.map)
        return
      case 'claim':
        await this.claim(effect.generation, effect.partitions)
        return
      case 'stamp': {
        const kept = await ports.stamp(effect.generation, effect.partitions)
        const lost = effect.partitions.filter((partition) => !kept.has(partition))
        this.dispatch({ kind: 'stamped', generation: effect.generation, kept: [...kept], lost })
        return
      }
      case 'release':
        for (const partition of effect.partitions) this.awaited.delete(partition)
        await ports.release(effect.partitions)
        ports.metrics.moves.inc({ how: 'released' }, effect.partitions.length)
        ports.log.info({ partitions: effect.partitions.length }, 'partitions released')
        this.dispatch({ kind: 'released', partitions: effect.partitions })
        return
      case 'depart':
        this.departed = true
        return
    }
  }

  private async probe(): Promise<void> {
    const askedAtMs = this.ports.monotonicMs()
    const loopsGetRound = await this.ports.probe().catch((error: unknown) => {
      this.fitness.probeFailed(askedAtMs)
      throw error
    })
    const nowMs = this.ports.monotonicMs()
    // What failed may be somebody else's by now.
    if (this.member.hasAllItWants) this.fitness.claimed(true, nowMs)
    const wasResting = this.fitness.isResting
    const isFit = this.fitness.judge(loopsGetRound, nowMs, this.member.isAlone)
    if (this.fitness.isResting && !wasResting) {
      this.ports.log.warn('cannot claim, or does not get round: gives way to other consumers for a minute')
    }
    // While it waited, others took it for dead. It lives again with an answer in time; with a late one it would come and go.
    const isTimely = nowMs - askedAtMs <= this.memberTimeoutMs
    this.dispatch({ kind: 'probed', ok: isFit && isTimely })
  }

  private async exchange({ beat, forget }: MemberEffect & { kind: 'exchange' }): Promise<void> {
    try {
      const exchanged = await this.ports.exchange(beat, forget)
      this.fitness.exchanged(true)
      this.dispatch({ kind: 'exchanged', ...exchanged })
    } catch (error) {
      this.fitness.exchanged(false)
      throw error
    }
  }

  private async takeLock(attempt: number): Promise<void> {
    const lock = await this.ports.lock()
    if (lock === undefined) {
      this.dispatch({ kind: 'lock-refused', attempt })
      return
    }
    this.locks.set(attempt, lock)
    this.dispatch({ kind: 'locked', attempt })
  }

  private async storeMap(effect: MemberEffect & { kind: 'store-map' }): Promise<void> {
    const { attempt, reason } = effect
    const map = await this.ports.storeMap(effect.map, reason)
    this.ports.metrics.generations.inc({ reason })
    this.ports.log.info(
      { generation: map.generation, reason, members: map.assignment.members.length },
      'rebalanced',
    )
    this.dispatch({ kind: 'map-stored', attempt, map })
  }

  private async claim(generation: number, partitions: readonly number[]): Promise<void> {
    const nowMs = this.ports.monotonicMs()
    for (const partition of partitions) if (!this.awaited.has(partition)) this.awaited.set(partition, nowMs)
    const unanswered = new Set(partitions)
    try {
      await this.ports.claim(generation, partitions, (claimed, refused) => {
        for (const partition of claimed) unanswered.delete(partition)
        for (const { partition } of refused) unanswered.delete(partition)
        this.noteClaimed(claimed, refused)
        this.dispatch({ kind: 'claimed', generation, partitions: claimed, refused })
      })
    } catch (error) {
      this.ports.log.warn(errorFields(error), 'claiming partitions failed, will try again')
    }
    this.fitness.claimed(unanswered.size === 0, this.ports.monotonicMs())
    if (unanswered.size === 0) return
    this.ports.metrics.claims.inc({ result: 'failed' }, unanswered.size)
    this.dispatch({ kind: 'claim-failed', partitions: [...unanswered] })
  }

  private noteClaimed(claimed: readonly number[], refused: readonly RefusedClaim[]): void {
    const { claims, moves } = this.ports.metrics
    claims.inc({ result: 'claimed' }, claimed.length)
    claims.inc({ result: 'refused' }, refused.length)
    moves.inc({ how: 'claimed' }, claimed.length)
    for (const { partition } of refused) this.awaited.delete(partition)
    if (claimed.length > 0) this.ports.log.info({ partitions: claimed.length }, 'partitions claimed')
    if (refused.length > 0) {
      this.ports.log.info(
        { refused: refused.length },
        'claims refused: a newer map gives them to somebody else',
      )
    }
  }
}

/** What the member is told of an effect that failed; undefined where it does not wait for an answer. */
function failureOf(effect: MemberEffect): MemberEvent | undefined {
  switch (effect.kind) {
    case 'probe':
      return { kind: 'probed', ok: false }
    case 'exchange':
      return { kind: 'exchange-failed' }
    case 'read-map':
      return { kind: 'map-read-failed' }
    case 'lock':
      return { kind: 'lock-refused', attempt: effect.attempt }
    case 'store-map':
      return { kind: 'map-refused', attempt: effect.attempt }
    case 'stamp':
      return { kind: 'stamp-failed', partitions: effect.partitions }
    case 'claim':
    case 'release':
    case 'unlock':
    case 'broadcast':
    case 'depart':
      return undefined
  }
}
