import { commandId, encodeCommand, type Command } from '../../shared/commands.ts'
import type { Beat } from '../../shared/rebalance/failure-detector.ts'
import type { PartitionMap } from '../../shared/rebalance/partition-map.ts'
import type { Batch } from '../../consumer/decide-batch.ts'
import type { Entry } from '../../consumer/parse-entry.ts'
import type { Clockwork } from './clockwork.ts'
import type { Guard } from './guards.ts'
import type { Judge, TakenSeat } from './judge.ts'
import type { Host } from './wire.ts'

interface Stored {
  readonly id: readonly [ms: number, serial: number]
  readonly fields: string[]
  readonly command: string
}

interface Shown {
  readonly status: string
  readonly place: number
}

interface State {
  readonly streams: readonly (readonly Stored[])[]
  readonly lastIds: readonly (readonly [number, number])[]
  readonly shown: ReadonlyMap<string, Shown>
  readonly beats: ReadonlyMap<string, Beat>
  readonly maps: readonly PartitionMap[]
  readonly cancelsAsked: ReadonlySet<string>
  readonly taken: ReadonlyMap<string, string>
  readonly takenUntilMs: number
  readonly takenUnder: number
}

const SNAPSHOT_MS = 150
const KEPT_SNAPSHOTS = 4
/** Long enough for many cancels to come while a mark stands. */
const TAKEN_SEATS_TTL_MS = 3_000

/** Redis, as far as the consumers know it: streams, outcomes, beats, the broadcast, the lock. */
export class SimRedis implements Host {
  readonly name = 'redis'
  isUp = true
  incarnation = 1
  /** By which its clock is wrong. */
  skewMs = 0
  private readonly clockwork: Clockwork
  private readonly judge: Judge
  private readonly without: Guard | undefined
  private streams: Stored[][]
  private lastIds: (readonly [number, number])[]
  private shown = new Map<string, Shown>()
  private beats = new Map<string, Beat>()
  private maps: PartitionMap[] = []
  private lockedUntilMs = 0
  /** Requests whose cancel has a record. */
  private cancelsAsked = new Set<string>()
  /** Seat (`performance/section/seat`) → the request that holds it. All of them expire together. */
  private taken = new Map<string, string>()
  private takenUntilMs = Infinity
  /** The Redis that marked them. */
  private takenUnder = 0
  private readonly snapshots: State[] = []
  private readonly waiting = new Set<() => void>()

  constructor(clockwork: Clockwork, partitions: number, judge: Judge, without: Guard | undefined) {
    this.clockwork = clockwork
    this.judge = judge
    this.without = without
    this.streams = Array.from({ length: partitions }, () => [])
    this.lastIds = Array.from({ length: partitions }, () => [0, 0] as const)
    this.keepSnapshots()
  }

  get undecided(): number {
    return this.streams.reduce((sum, stream) => sum + stream.length, 0)
  }

  nowUs(): number {
    return Math.round((1_795_000_000_000 + this.clockwork.nowMs + this.skewMs) * 1_000)
  }

  /** Seats of a wish that the accept script refuses at once. */
  takenFrom(wish: Command & { kind: 'book' }): TakenSeat[] {
    const found: TakenSeat[] = []
    this.dropOldMarks()
    if (this.takenUnder !== this.incarnation && this.without !== 'redis') return found
    for (const seatId of wish.seatIds) {
      const seat = `${wish.performanceId}/${wish.sectionId}/${seatId}`
      const holder = this.taken.get(seat)
      if (holder === undefined) continue
      if (holder === wish.requestId && this.without !== 'holder') continue
      if (this.cancelsAsked.has(holder) && this.without !== 'cancel') continue
      found.push({ seat, holder })
    }
    return found
  }

  add(partition: number, command: Command): void {
    if (command.kind === 'cancel') this.cancelsAsked.add(command.requestId)
    const ms = Math.floor(this.nowUs() / 1_000)
    const last = this.lastIds[partition] ?? [0, 0]
    const id = ms > last[0] ? ([ms, 0] as const) : ([last[0], last[1] + 1] as const)
    this.lastIds[partition] = id
    this.streams[partition]?.push({ id, fields: encodeCommand(command), command: commandId(command) })
    this.judge.accepted(partition, commandId(command))
    for (const wake of this.waiting) wake()
  }

  /** Entries behind a cursor. */
  read(partition: number, cursor: string, count: number): Entry[] {
    const [ms = 0, serial = 0] = cursor.split('-').map(Number)
    return (this.streams[partition] ?? [])
      .filter(({ id }) => id[0] > ms || (id[0] === ms && id[1] > serial))
      .slice(0, count)
      .map(({ id, fields }) => ({ partition, id: id.join('-'), fields: [...fields] }))
  }

  /** Resolves when anything is added, or after a time. */
  somethingNew(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.waiting.delete(wake)
        resolve()
      }
      this.waiting.add(wake)
      this.clockwork.after(timeoutMs, wake)
    })
  }

  /** As settle.lua does. @returns how many entries went away */
  settle(batch: Batch, refused: ReadonlySet<number>, firstPartition: number): number {
    let removed = 0
    const settleOne = (
      entry: Entry,
      command: string,
      outcome: Shown | undefined,
      requestId: string,
    ): boolean => {
      if (refused.has(entry.partition)) return false
      const shown = this.shown.get(requestId)
      const isNewer = shown === undefined || this.without === 'place' || shown.place <= (outcome?.place ?? 0)
      if (outcome !== undefined && isNewer) this.shown.set(requestId, outcome)
      const wentAway = this.delete(firstPartition + entry.partition, entry.id, command)
      removed += wentAway
      return wentAway > 0
    }
    const isSame = batch.marksIn === String(this.incarnation) || this.without === 'redis'
    for (const { entry, record, holders } of batch.decided) {
      const outcome = shownAs(record)
      const wasLying = settleOne(entry, nameOf(record.command, record.requestId), outcome, record.requestId)
      if (record.status === 'CANCELLED') {
        for (const seatId of record.seatIds)
          this.taken.delete(`${record.performanceId}/${record.sectionId}/${seatId}`)
      }
      if (holders !== undefined && wasLying && isSame) this.mark(record, holders)
    }
    for (const { entry, command, stored } of batch.repeats) {
      const outcome = shownAs(stored)
      settleOne(entry, commandId(command), outcome, command.requestId)
    }
    for (const { entry, command } of batch.echoes) {
      settleOne(entry, commandId(command), undefined, command.requestId)
    }
    return removed
  }

  shownOf(requestId: string): string | undefined {
    return this.shown.get(requestId)?.status
  }

  exchange(
    member: string,
    beat: Beat | undefined,
    forget: ReadonlyMap<string, number>,
  ): { beats: Map<string, Beat>; redisId: string } {
    if (beat !== undefined) this.beats.set(member, beat)
    for (const [name, counter] of forget) {
      if (this.beats.get(name)?.counter === counter) this.beats.delete(name)
    }
    return { beats: new Map(this.beats), redisId: String(this.incarnation) }
  }

  broadcast(map: PartitionMap): void {
    this.maps.push(map)
    for (const wake of this.waiting) wake()
  }

  newestMap(): PartitionMap | undefined {
    return this.maps.at(-1)
  }

  /** @returns when it ends by itself; undefined if it is taken */
  lock(leaseMs: number): number | undefined {
    if (this.without !== 'lock' && this.clockwork.nowMs < this.lockedUntilMs) return undefined
    this.lockedUntilMs = this.clockwork.nowMs + leaseMs
    return this.lockedUntilMs
  }

  unlock(until: number): void {
    if (this.lockedUntilMs === until) this.lockedUntilMs = 0
  }

  /** Comes back as another one, with all that it had. */
  restart(): void {
    this.incarnation += 1
  }

  /** Comes back as a copy that lacks the last of what was written: what was deleted in it stands there again. */
  loseTail(): void {
    const [state] = this.snapshots
    if (state === undefined) return
    this.restart()
    for (const [partition, stream] of this.streams.entries()) {
      const kept = new Set(state.streams[partition])
      for (const entry of stream) if (!kept.has(entry)) this.judge.lost(partition, entry.command)
    }
    for (const [requestId, { status }] of this.shown) {
      if (state.shown.get(requestId)?.status !== status) this.judge.forgotten(requestId)
    }
    for (const requestId of this.cancelsAsked) {
      if (!state.cancelsAsked.has(requestId)) this.judge.cancelForgotten(requestId)
    }
    this.streams = state.streams.map((stream) => [...stream])
    this.lastIds = [...state.lastIds]
    this.shown = new Map(state.shown)
    this.beats = new Map(state.beats)
    this.maps = [...state.maps]
    this.cancelsAsked = new Set(state.cancelsAsked)
    this.taken = new Map(state.taken)
    this.takenUntilMs = state.takenUntilMs
    this.takenUnder = state.takenUnder
    this.snapshots.length = 0
  }

  /** Everything among the members is gone: beats, broadcast, lock. */
  forgetMembership(): void {
    this.beats.clear()
    this.maps = []
    this.lockedUntilMs = 0
  }

  expireLock(): void {
    this.lockedUntilMs = 0
  }

  private mark(
    { performanceId, sectionId, reason }: Batch['decided'][number]['record'],
    holders: readonly string[],
  ): void {
    this.dropOldMarks()
    if (this.takenUnder !== this.incarnation) this.taken.clear()
    if (this.taken.size === 0) this.takenUntilMs = this.clockwork.nowMs + TAKEN_SEATS_TTL_MS
    this.takenUnder = this.incarnation
    for (const [i, seatId] of (reason?.seatIds ?? []).entries()) {
      this.taken.set(`${performanceId}/${sectionId}/${seatId}`, holders[i] ?? '')
    }
  }

  private dropOldMarks(): void {
    if (this.clockwork.nowMs >= this.takenUntilMs) this.taken.clear()
  }

  private delete(partition: number, id: string, command: string): number {
    const stream = this.streams[partition] ?? []
    const at = stream.findIndex((entry) => entry.id.join('-') === id)
    const found = stream[at]
    if (found === undefined || (found.command !== command && this.without !== 'deletion')) return 0
    stream.splice(at, 1)
    return 1
  }

  private keepSnapshots(): void {
    this.snapshots.push({
      streams: this.streams.map((stream) => [...stream]),
      lastIds: [...this.lastIds],
      shown: new Map(this.shown),
      beats: new Map(this.beats),
      maps: [...this.maps],
      cancelsAsked: new Set(this.cancelsAsked),
      taken: new Map(this.taken),
      takenUntilMs: this.takenUntilMs,
      takenUnder: this.takenUnder,
    })
    if (this.snapshots.length > KEPT_SNAPSHOTS) this.snapshots.shift()
    this.clockwork.after(SNAPSHOT_MS, () => {
      this.keepSnapshots()
    })
  }
}

const nameOf = (kind: string, requestId: string): string =>
  kind === 'book' ? requestId : `${requestId}/${kind}`

function shownAs(decision: {
  readonly status: string | undefined
  readonly sequence: number
}): Shown | undefined {
  const { status, sequence } = decision
  return status === undefined ? undefined : { status, place: sequence }
}
