import { commandId, type Command } from '../../shared/commands.ts'
import { partitionOf, type Topology } from '../../shared/placement.ts'
import { deriveRequestId, fingerprintOf } from '../../shared/request-id.ts'
import { seededRandom, type Random } from '../support/random.ts'
import { Clockwork } from './clockwork.ts'
import type { Guard } from './guards.ts'
import { Judge } from './judge.ts'
import { MEMBER_TIMEOUT_MS, SimConsumer, type Surroundings } from './sim-consumer.ts'
import { SimMysql } from './sim-mysql.ts'
import { SimProcess } from './sim-process.ts'
import { SimRedis } from './sim-redis.ts'
import { strikes, type Stage } from './strikes.ts'
import { Wire } from './wire.ts'

export interface SimulationOptions {
  /** Everything follows from it: the same seed gives the same history, to the letter. */
  readonly seed: number
  /** Things that customers or fate do. */
  readonly steps: number
  readonly members: number
  /** A guard that is left out. */
  readonly without?: Guard
}

export interface SimulationReport {
  /** What broke a promise; empty if all is well. */
  readonly problems: readonly string[]
  readonly history: readonly string[]
  readonly decisions: number
  /** Requests that were not let into the line, because others had their seats. */
  readonly refusedAtOnce: number
  readonly claims: number
  readonly generations: number
  /** Simulated time from the last fault until every partition was owned and nothing was undecided. */
  readonly restMs: number
}

const topology: Topology = { version: 1, shards: 2, partitionsPerShard: 3 }
const performances = ['hamlet', 'faust', 'medea', 'ubu'] as const
const sections = ['A', 'B'] as const
const seatIds = ['1-1', '1-2', '1-3', '1-4', '1-5', '1-6'] as const

/** Once faults stop: time-outs of sessions and locks, the member time-out, a few rounds of the protocol. */
const REST_WITHIN_MS = 15_000
const PROBED_WITHIN_MS = 3_000
const QUIET_MS = 4_000
const LONGEST_PAUSE_MS = 40
/** Bookings that a copy without the tail may lack. */
const ASKED_LATELY = 12

/** Runs one seed: some time with faults under load, then peace, in which everything must come right. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const world = new SimWorld(options)
  await world.storm(options.steps)
  await world.rest()
  return world.report()
}

/** Everything that is simulated. */
class SimWorld implements Stage {
  readonly clockwork = new Clockwork()
  readonly random: Random
  readonly judge = new Judge(() => this.clockwork.nowMs)
  readonly redis: SimRedis
  readonly mysql: SimMysql
  readonly wire: Wire
  private readonly consumers: SimConsumer[] = []
  private readonly around: Surroundings
  private readonly members: number
  private started = 0
  private wishes = 0
  private readonly booked: (Command & { kind: 'book' })[] = []
  private readonly cancelled = new Set<string>()
  private restMs = 0

  constructor({ seed, members, without }: SimulationOptions) {
    this.random = seededRandom(seed)
    this.members = members
    const partitions = topology.shards * topology.partitionsPerShard
    this.redis = new SimRedis(this.clockwork, partitions, this.judge, without)
    this.mysql = new SimMysql(this.clockwork, partitions, this.judge, without)
    this.wire = new Wire(this.clockwork, this.random)
    const { clockwork, wire, redis, mysql, random } = this
    const marksTakenSeats = random.chance(0.5)
    this.around = { clockwork, wire, redis, mysql, random, topology, seatIds, marksTakenSeats }
    for (let i = 0; i < members; i++) this.startConsumer()
  }

  get alive(): readonly SimConsumer[] {
    return this.consumers.filter(({ process }) => process.isAlive)
  }

  startConsumer(): void {
    this.started += 1
    const name = `c${this.started}`
    this.judge.note(`${name} starts`)
    const clock = {
      rate: 0.8 + this.random.next() * 0.45,
      offsetMs: this.random.whole(0, 1_000_000),
      wallErrorMs: this.random.whole(-10_000_000, 10_000_000),
    }
    this.consumers.push(new SimConsumer(new SimProcess(name, this.clockwork, clock), this.around))
  }

  askAgain(): void {
    for (const command of this.booked.slice(-ASKED_LATELY)) {
      if (!this.random.chance(0.5)) continue
      this.later(this.random.whole(0, 1_000), () => {
        if (this.redis.isUp) this.ask(command)
      })
    }
  }

  later(ms: number, run: () => void): void {
    this.clockwork.after(ms, () => {
      if (!this.wire.calm) run()
    })
  }

  async storm(steps: number): Promise<void> {
    const fates = Object.entries(strikes)
    for (let step = 0; step < steps; step++) {
      await this.clockwork.runUntil(() => false, this.random.whole(0, LONGEST_PAUSE_MS))
      if (this.random.chance(0.75)) this.askForSomething()
      else {
        const [name, strike] = fates[this.random.whole(0, fates.length)] ?? []
        this.judge.note(`fate: ${name ?? ''}`)
        strike?.(this)
      }
    }
  }

  /** All faults end; then everything must be owned and decided within a bounded time, and go on being so. */
  async rest(): Promise<void> {
    this.judge.note('peace')
    this.wire.calm = true
    this.wire.mendAll()
    this.redis.isUp = true
    this.mysql.isUp = true
    for (const { process } of this.alive) process.resume()
    const staying = this.alive.filter(({ member }) => ['joining', 'active'].includes(member.phase))
    for (let present = staying.length; present < this.members; present++) this.startConsumer()
    const beganAtMs = this.clockwork.nowMs
    if (!(await this.clockwork.runUntil(() => this.isAtRest(), REST_WITHIN_MS))) {
      this.judge.say(`not at rest ${REST_WITHIN_MS} ms after the last fault: ${this.describe()}`)
      return
    }
    this.restMs = this.clockwork.nowMs - beganAtMs
    // At rest is not enough: every section must move.
    for (const performanceId of performances)
      for (const sectionId of sections) this.book(performanceId, sectionId)
    if (!(await this.clockwork.runUntil(() => this.redis.undecided === 0, PROBED_WITHIN_MS))) {
      this.judge.say(`a partition does not move: ${this.describe()}`)
    }
    // One that was continued late, or whose answers were still on their way, may be taken out and in again. After that
    // nothing may happen,
    // for longer than between two looks at the stored maps.
    await this.clockwork.runUntil(() => false, 7 * MEMBER_TIMEOUT_MS)
    const { generations } = this.judge
    await this.clockwork.runUntil(() => false, QUIET_MS)
    const isQuiet = this.isAtRest() && this.judge.generations === generations
    if (!isQuiet) this.judge.say(`did not stay at rest: ${this.describe()}`)
    this.judge.atRest((requestId) => this.redis.shownOf(requestId))
  }

  report(): SimulationReport {
    const { problems, history, decisions, refusedAtOnce, claims, generations } = this.judge
    return { problems, history, decisions, refusedAtOnce, claims, generations, restMs: this.restMs }
  }

  private isAtRest(): boolean {
    if (this.redis.undecided > 0) return false
    const { newest } = this.mysql.newestMap()
    const alive = new Set(this.alive.map(({ process }) => process.name))
    if (newest?.assignment.members.length !== alive.size) return false
    return this.mysql.partitions.every(({ owner }, partition) => {
      const named = newest.assignment.members[newest.assignment.owners[partition] ?? -1]
      return owner === named && alive.has(owner)
    })
  }

  private describe(): string {
    const rows = this.mysql.partitions.map((row) => `${row.owner}@${row.epoch}g${row.generation}`)
    const members = this.alive.map(
      ({ process, member }) => `${process.name} ${member.phase} g${member.generation}`,
    )
    return `${this.redis.undecided} undecided; rows ${rows.join(' ')}; alive ${members.join(', ')}`
  }

  private askForSomething(): void {
    if (!this.redis.isUp) return
    const earlier = this.booked[this.random.whole(0, Math.max(1, this.booked.length))]
    if (earlier !== undefined && this.random.chance(0.3)) {
      const { requestId, customerId, performanceId, sectionId } = earlier
      const common = { requestId, customerId, performanceId, sectionId, topologyVersion: 1 }
      this.add({ kind: 'cancel', ...common, requestedAtUs: this.redis.nowUs() })
    } else this.book(this.random.pick(performances), this.random.pick(sections))
  }

  private book(performanceId: string, sectionId: string): void {
    this.wishes += 1
    const customerId = `customer-${this.wishes}`
    const first = this.random.whole(0, seatIds.length)
    const seats = seatIds.slice(first, first + this.random.whole(1, 3))
    const wish = { performanceId, sectionId, seatIds: seats }
    const command: Command & { kind: 'book' } = {
      kind: 'book',
      requestId: deriveRequestId(customerId, performanceId, 'k'),
      customerId,
      ...wish,
      requestedAtUs: this.redis.nowUs(),
      topologyVersion: 1,
      fingerprint: fingerprintOf(wish),
    }
    this.booked.push(command)
    this.ask(command)
    // As when Redis forgot the record of a request, and its customer asked again.
    if (!this.wire.calm && this.random.chance(0.05)) {
      this.later(this.random.whole(0, 500), () => {
        if (this.redis.isUp) this.ask(command)
      })
    }
  }

  /** As the accept script does with a booking of which it has no record. */
  private ask(command: Command & { kind: 'book' }): void {
    const taken = this.redis.takenFrom(command)
    if (taken.length === 0) this.add(command)
    else this.judge.refused(command, taken)
  }

  private add(command: Command): void {
    if (command.kind === 'cancel') {
      if (this.cancelled.has(commandId(command))) return
      this.cancelled.add(commandId(command))
    }
    const { shard, number } = partitionOf(topology, command.performanceId, command.sectionId)
    this.redis.add(shard * topology.partitionsPerShard + number, command)
  }
}
