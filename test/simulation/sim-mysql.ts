import type { CommitResult } from '../../consumer/commit-batch.ts'
import type { Batch, DecisionRecord, Stake, StoredDecision } from '../../consumer/decide-batch.ts'
import type { PartitionMap } from '../../shared/rebalance/partition-map.ts'
import type { Clockwork } from './clockwork.ts'
import type { Guard } from './guards.ts'
import type { Judge } from './judge.ts'
import type { Host } from './wire.ts'

interface PartitionRow {
  epoch: number
  generation: number
  sequence: number
  owner: string
}

/** A transaction that holds row locks. */
export interface Session {
  isOpen: boolean
  readonly holds: number[]
}

interface Waiting {
  readonly partition: number
  readonly session: Session
  readonly grant: () => void
  readonly refuse: (error: Error) => void
}

/** After which the server ends a silent session, and a wait for a lock. */
const SESSION_MS = 1_200
const LOCK_WAIT_MS = 900

/** MySQL, as far as the consumers know it: rows of partitions with their locks, decisions, seats, maps. */
export class SimMysql implements Host {
  readonly name = 'mysql'
  isUp = true
  incarnation = 1
  readonly partitions: PartitionRow[]
  readonly maps = new Map<number, PartitionMap>()
  private readonly clockwork: Clockwork
  private readonly judge: Judge
  private readonly without: Guard | undefined
  private readonly decisions = new Map<string, DecisionRecord>()
  private readonly byRequest = new Map<string, DecisionRecord[]>()
  private readonly seats = new Map<string, string>()
  private readonly locks = new Map<number, Session>()
  private waiting: Waiting[] = []
  private readonly sessions = new Set<Session>()

  constructor(clockwork: Clockwork, partitions: number, judge: Judge, without: Guard | undefined) {
    this.clockwork = clockwork
    this.judge = judge
    this.without = without
    this.partitions = Array.from({ length: partitions }, () => ({
      epoch: 0,
      generation: 0,
      sequence: 0,
      owner: '',
    }))
  }

  /** Locks rows in their order, waiting for others' transactions. @throws at the time-out, or when the server ends */
  async begin(partitions: readonly number[]): Promise<Session> {
    const session: Session = { isOpen: true, holds: [] }
    this.sessions.add(session)
    this.clockwork.after(SESSION_MS + LOCK_WAIT_MS, () => {
      this.end(session)
    })
    try {
      for (const partition of [...partitions].sort((a, b) => a - b)) await this.lock(session, partition)
    } catch (error) {
      this.end(session)
      throw error
    }
    return session
  }

  isLocked(partition: number): boolean {
    return this.locks.has(partition)
  }

  /** COMMIT or ROLLBACK, or the end of the connection. */
  end(session: Session): void {
    if (!session.isOpen) return
    session.isOpen = false
    this.sessions.delete(session)
    const own = this.waiting.filter((each) => each.session === session)
    this.waiting = this.waiting.filter((each) => each.session !== session)
    for (const { refuse } of own) refuse(new Error('the session is gone'))
    for (const partition of session.holds) {
      this.locks.delete(partition)
      const next = this.waiting.find((each) => each.partition === partition)
      if (next === undefined) continue
      this.waiting = this.waiting.filter((each) => each !== next)
      this.take(next.session, partition)
      next.grant()
    }
  }

  /** Rolls back what is not committed; all that is stays. */
  restart(): void {
    this.incarnation += 1
    for (const session of [...this.sessions]) this.end(session)
  }

  /** The statements of a batch and its COMMIT, in a session that holds its partitions' rows. */
  commit(session: Session, batch: Batch, firstPartition: number): CommitResult {
    if (!session.isOpen) throw new Error('the session is gone')
    try {
      return this.apply(batch, firstPartition)
    } finally {
      this.end(session)
    }
  }

  /** Raises the epochs of rows that this session holds. */
  claim(
    session: Session,
    partitions: readonly number[],
    owner: string,
    generation: number,
  ): { claimed: Map<number, Stake>; refused: Map<number, number> } {
    const claimed = new Map<number, Stake>()
    const refused = new Map<number, number>()
    for (const partition of partitions) {
      const row = this.row(partition)
      if (row.generation > generation && this.without !== 'generation') {
        refused.set(partition, row.generation)
        continue
      }
      row.epoch += 1
      row.owner = owner
      row.generation = generation
      this.judge.claimed(partition, row.epoch, generation)
      claimed.set(partition, { epoch: row.epoch, sequence: row.sequence })
    }
    this.end(session)
    return { claimed, refused }
  }

  stamp(session: Session, epochs: ReadonlyMap<number, number>, generation: number): Set<number> {
    const kept = new Set<number>()
    for (const [partition, epoch] of epochs) {
      const row = this.row(partition)
      if (row.epoch !== epoch) continue
      kept.add(partition)
      row.generation = Math.max(row.generation, generation)
      this.judge.stamped(partition, row.generation)
    }
    this.end(session)
    return kept
  }

  stakes(session: Session, asked: ReadonlyMap<number, Stake>): Map<number, Stake> {
    const found = new Map<number, Stake>()
    for (const [partition, stake] of asked) {
      const row = this.row(partition)
      if (row.epoch === stake.epoch) found.set(partition, { epoch: row.epoch, sequence: row.sequence })
    }
    this.end(session)
    return found
  }

  storeMap(map: PartitionMap): PartitionMap {
    if (this.maps.has(map.generation)) throw new Error('generation taken')
    this.maps.set(map.generation, map)
    this.judge.mapStored(map.generation, map.assignment.members)
    return map
  }

  newestMap(): { newest: PartitionMap | undefined; highest: number } {
    const highest = Math.max(0, ...this.maps.keys())
    return { newest: this.maps.get(highest), highest }
  }

  holderOf(seat: string): string | undefined {
    return this.seats.get(seat)
  }

  stored(command: string, requestId: string): StoredDecision | undefined {
    const own = this.decisions.get(command)
    const all = this.byRequest.get(requestId) ?? []
    if (own === undefined) return undefined
    const newest = all.filter(({ status }) => status !== undefined).at(-1)
    return {
      ...own,
      status: newest?.status,
      reason: newest?.reason,
      sequence: newest?.sequence ?? own.sequence,
      decidedAtMs: 0,
    }
  }

  statusOf(requestId: string): string | undefined {
    return (this.byRequest.get(requestId) ?? []).filter(({ status }) => status !== undefined).at(-1)?.status
  }

  private apply(batch: Batch, firstPartition: number): CommitResult {
    const refused = new Set<number>()
    for (const [number, stake] of batch.stakes) {
      const row = this.row(firstPartition + number)
      if (row.epoch !== stake.epoch && this.without !== 'epoch') refused.add(number)
      else if (row.sequence !== stake.before) return this.wrongMemory('sequences')
    }
    if (batch.stakes.size > 0 && refused.size === batch.stakes.size) return { kind: 'refused', refused }
    const decided = batch.decided.filter(({ record }) => !refused.has(record.partition))
    const isRepeated = decided.some(({ record }) => this.decisions.has(keyOf(record)))
    if (isRepeated && this.without !== 'duplicate') return { kind: 'repeated' }
    const sections = new Set(decided.map(({ record }) => `${record.performanceId}/${record.sectionId}`))
    const concerns = (row: { performanceId: string; sectionId: string }): boolean =>
      sections.has(`${row.performanceId}/${row.sectionId}`)
    const freed = batch.freed.filter(concerns)
    const taken = batch.taken.filter(concerns)
    const goes = new Set(freed.map(seatOf))
    if (freed.some((row) => this.seats.get(seatOf(row)) !== row.requestId)) {
      return this.wrongMemory('free-seats')
    }
    if (taken.some((row) => this.seats.has(seatOf(row)) && !goes.has(seatOf(row)))) {
      return this.wrongMemory('take-seats')
    }
    for (const row of freed) this.seats.delete(seatOf(row))
    for (const row of taken) this.seats.set(seatOf(row), row.requestId)
    for (const [number, { after }] of batch.stakes) {
      if (!refused.has(number)) this.row(firstPartition + number).sequence = after
    }
    for (const { record } of decided) this.store(record, firstPartition)
    return { kind: 'committed', refused }
  }

  /** Nothing breaks by it, since nothing is committed; but no owner's memory should ever be wrong. */
  private wrongMemory(step: 'sequences' | 'free-seats' | 'take-seats'): CommitResult {
    this.judge.say(`an owner's memory was wrong: ${step}`)
    return { kind: 'wrong-memory', step }
  }

  private store(record: DecisionRecord, firstPartition: number): void {
    this.decisions.set(keyOf(record), record)
    this.byRequest.set(record.requestId, [...(this.byRequest.get(record.requestId) ?? []), record])
    this.judge.decided(firstPartition + record.partition, record)
  }

  private row(partition: number): PartitionRow {
    const row = this.partitions[partition]
    if (row === undefined) throw new RangeError(`partition ${partition}`)
    return row
  }

  private take(session: Session, partition: number): void {
    this.locks.set(partition, session)
    session.holds.push(partition)
  }

  private lock(session: Session, partition: number): Promise<void> {
    if (!session.isOpen) return Promise.reject(new Error('the session is gone'))
    if (!this.locks.has(partition)) {
      this.take(session, partition)
      return Promise.resolve()
    }
    return new Promise((grant, refuse) => {
      const waiting: Waiting = { partition, session, grant, refuse }
      this.waiting.push(waiting)
      this.clockwork.after(LOCK_WAIT_MS, () => {
        if (!this.waiting.includes(waiting)) return
        this.waiting = this.waiting.filter((each) => each !== waiting)
        refuse(new Error('lock wait timed out'))
      })
    })
  }
}

const keyOf = (record: DecisionRecord): string =>
  record.command === 'book' ? record.requestId : `${record.requestId}/${record.command}`

const seatOf = (row: { performanceId: string; sectionId: string; seatId: string }): string =>
  `${row.performanceId}/${row.sectionId}/${row.seatId}`
