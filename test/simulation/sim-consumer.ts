import type { CommitResult } from '../../consumer/commit-batch.ts'
import type { Batch, Stake, StoredDecision } from '../../consumer/decide-batch.ts'
import { createConsumerMetrics } from '../../consumer/metrics.ts'
import { Ownership, type OwnershipPorts } from '../../consumer/ownership.ts'
import type { Entry } from '../../consumer/parse-entry.ts'
import { SectionMemory, type LoadSections } from '../../consumer/section-memory.ts'
import { FREE, SeatHolders } from '../../consumer/seat-holders.ts'
import { SectionState } from '../../consumer/section-state.ts'
import { ShardLoop } from '../../consumer/shard-loop.ts'
import type { ReadRequest } from '../../consumer/shard-reader.ts'
import { commandId } from '../../shared/commands.ts'
import { createLog } from '../../shared/log.ts'
import { firstSlotOfShard, type Topology } from '../../shared/placement.ts'
import { Member } from '../../shared/rebalance/member.ts'
import type { Random } from '../support/random.ts'
import type { Clockwork } from './clockwork.ts'
import type { SimMysql } from './sim-mysql.ts'
import type { SimProcess } from './sim-process.ts'
import type { SimRedis } from './sim-redis.ts'
import type { CallOptions, Host, Wire } from './wire.ts'

export interface Surroundings {
  readonly clockwork: Clockwork
  readonly wire: Wire
  readonly redis: SimRedis
  readonly mysql: SimMysql
  readonly topology: Topology
  readonly random: Random
  /** Seats of every section. */
  readonly seatIds: readonly string[]
  /** Whether seats that somebody asked for in vain are marked, so that the next is refused at once. */
  readonly marksTakenSeats: boolean
}

const HEARTBEAT_MS = 100
export const MEMBER_TIMEOUT_MS = 500
const LOCK_LEASE_MS = 400
const READ_AGAIN_MS = 1_000

const log = createLog('simulation', 'silent')
const metrics = createConsumerMetrics()

/** A consumer out of the real protocol, driver, loops, memory and decisions, on servers that are not. */
export class SimConsumer {
  readonly process: SimProcess
  readonly member: Member
  readonly ownership: Ownership
  private readonly around: Surroundings
  private readonly loops: readonly ShardLoop[]

  constructor(process: SimProcess, around: Surroundings) {
    this.process = process
    this.around = around
    const { topology, random } = around
    this.member = new Member({
      name: process.name,
      partitions: topology.shards * topology.partitionsPerShard,
      heartbeatMs: HEARTBEAT_MS,
      memberTimeoutMs: MEMBER_TIMEOUT_MS,
      random: () => random.next(),
    })
    this.loops = Array.from({ length: topology.shards }, (_, shard) => this.createLoop(shard))
    this.ownership = new Ownership(this.member, this.ports(), MEMBER_TIMEOUT_MS)
    for (const loop of this.loops) void loop.run()
    void this.followMaps()
    void this.ownership
      .run(() => undefined)
      .then(() => {
        for (const loop of this.loops) loop.stop()
        process.end()
      })
  }

  private redisCall<T>(serve: () => T | Promise<T>, options?: CallOptions): Promise<T> {
    return this.call(this.around.redis, serve, options)
  }

  private mysqlCall<T>(serve: () => T | Promise<T>): Promise<T> {
    return this.call(this.around.mysql, serve)
  }

  private call<T>(host: Host, serve: () => T | Promise<T>, options?: CallOptions): Promise<T> {
    return this.around.wire.call(this.process, host, serve, options)
  }

  private ports(): OwnershipPorts {
    const { redis, mysql } = this.around
    const { process } = this
    return {
      log,
      metrics,
      monotonicMs: () => process.monotonicMs(),
      sleep: (ms) => process.sleep(ms),
      probe: () => this.mysqlCall(() => true),
      exchange: (beat, forget) =>
        this.redisCall(() => redis.exchange(process.name, beat, forget), { resent: true }),
      readMap: () => this.mysqlCall(() => mysql.newestMap()),
      lock: async () => {
        const until = await this.redisCall(() => redis.lock(LOCK_LEASE_MS))
        if (until === undefined) return undefined
        return {
          release: async () => {
            await this.redisCall(() => {
              redis.unlock(until)
            })
          },
        }
      },
      storeMap: (map) => this.mysqlCall(() => mysql.storeMap(map)),
      broadcast: (map) =>
        this.redisCall(
          () => {
            redis.broadcast(map)
          },
          { resent: true },
        ),
      claim: (generation, partitions, answer) => this.claim(generation, partitions, answer),
      stamp: async (generation, partitions) => {
        const epochs = new Map<number, number>()
        for (const partition of partitions) {
          const epoch = this.loopOf(partition)?.epochOf(this.numberOf(partition))
          if (epoch !== undefined) epochs.set(partition, epoch)
        }
        return this.mysqlCall(async () =>
          mysql.stamp(await mysql.begin([...epochs.keys()]), epochs, generation),
        )
      },
      release: async (partitions) => {
        for (const [shard, numbers] of this.byShard(partitions)) await this.loops[shard]?.release(numbers)
      },
    }
  }

  /** What is free first, then what others' batches hold; shard by shard, as each is a transaction. */
  private async claim(
    ...[generation, partitions, answer]: Parameters<OwnershipPorts['claim']>
  ): Promise<void> {
    const { mysql } = this.around
    for (const [shard, numbers] of this.byShard(partitions)) {
      const all = numbers.map((number) => this.partitionOf(shard, number))
      const left = new Set(all)
      for (const mayWait of [false, true]) {
        const { claimed, refused } = await this.mysqlCall(async () => {
          const wanted = [...left].filter((partition) => mayWait || !mysql.isLocked(partition))
          return mysql.claim(await mysql.begin(wanted), wanted, this.process.name, generation)
        })
        for (const partition of [...claimed.keys(), ...refused.keys()]) left.delete(partition)
        this.loops[shard]?.own(
          new Map([...claimed].map(([partition, stake]) => [this.numberOf(partition), stake])),
        )
        answer(
          [...claimed.keys()],
          [...refused].map(([partition, ofRow]) => ({ partition, generation: ofRow })),
        )
        if (left.size === 0) break
      }
    }
  }

  private async followMaps(): Promise<void> {
    const { redis } = this.around
    let heard = 0
    for (;;) {
      try {
        const map = await this.redisCall(async () => {
          if ((redis.newestMap()?.generation ?? 0) <= heard) await redis.somethingNew(400)
          return redis.newestMap()
        })
        if (map === undefined || map.generation === heard) await this.process.sleep(20)
        else {
          heard = map.generation
          this.ownership.heard(map)
        }
      } catch {
        heard = 0
        await this.process.sleep(100)
      }
    }
  }

  private createLoop(shard: number): ShardLoop {
    const { topology, redis, mysql, seatIds, marksTakenSeats } = this.around
    const { process } = this
    const load: LoadSections = (keys) =>
      this.mysqlCall(() =>
        keys.map((key) => {
          const seats = seatIds.map((seatId): [string, string] => [
            seatId,
            mysql.holderOf(`${key.performanceId}/${key.sectionId}/${seatId}`) ?? FREE,
          ])
          const terms = { version: 1, startsAtMs: 9e15, saleOpensAtMs: undefined, saleClosesAtMs: undefined }
          return {
            ...key,
            state: new SectionState({ terms, exists: true, holders: SeatHolders.of(new Map(seats)) }),
          }
        }),
      )
    const reader = new SimReader(this.around, process, (number) => this.partitionOf(shard, number))
    const loop: ShardLoop = new ShardLoop({
      topology,
      shard,
      shardSlot: firstSlotOfShard(topology, shard),
      maxBatch: 8,
      aheadOf: 1,
      marksIn: () => (marksTakenSeats ? String(redis.incarnation) : undefined),
      turns: { isFree: true, take: () => Promise.resolve(() => undefined) },
      memory: new SectionMemory(load, 200),
      log,
      metrics,
      read: (request, offer) => reader.read(request, offer),
      restartReading: () => {
        reader.restart()
      },
      interruptRead: () => {
        reader.interrupt()
      },
      findStored: (commands) =>
        this.mysqlCall(() => {
          const found = new Map<string, StoredDecision>()
          for (const command of commands) {
            const stored = mysql.stored(commandId(command), command.requestId)
            if (stored !== undefined) found.set(commandId(command), stored)
          }
          return found
        }),
      nowMs: () => process.wallMs(),
      monotonicMs: () => process.monotonicMs(),
      commit: (batch) => this.commit(shard, batch),
      settle: (batch, refused) =>
        this.redisCall(() => redis.settle(batch, refused, this.partitionOf(shard, 0)), { resent: true }),
      recover: (stakes) => this.recover(shard, stakes),
      sleep: (ms) => process.sleep(ms),
      onLost: (numbers) => {
        this.ownership.lost(numbers.map((number) => this.partitionOf(shard, number)))
      },
      onServing: () => undefined,
    })
    return loop
  }

  /** In two messages, so that the process can be stopped, or the network cut, with the locks held. */
  private async commit(shard: number, batch: Batch): Promise<CommitResult> {
    const { mysql } = this.around
    let step: 'begin' | 'commit' = 'begin'
    try {
      const partitions = [...batch.stakes.keys()].map((number) => this.partitionOf(shard, number))
      const session = await this.mysqlCall(() => mysql.begin(partitions))
      step = 'commit'
      return await this.mysqlCall(() => mysql.commit(session, batch, this.partitionOf(shard, 0)))
    } catch (cause) {
      return { kind: 'failed', step, failure: 'retry', cause }
    }
  }

  private async recover(shard: number, stakes: ReadonlyMap<number, Stake>): Promise<Map<number, Stake>> {
    const { mysql } = this.around
    const asked = new Map([...stakes].map(([number, stake]) => [this.partitionOf(shard, number), stake]))
    const found = await this.mysqlCall(async () => mysql.stakes(await mysql.begin([...asked.keys()]), asked))
    return new Map([...found].map(([partition, stake]) => [this.numberOf(partition), stake]))
  }

  private partitionOf(shard: number, number: number): number {
    return shard * this.around.topology.partitionsPerShard + number
  }

  private numberOf(partition: number): number {
    return partition % this.around.topology.partitionsPerShard
  }

  private loopOf(partition: number): ShardLoop | undefined {
    return this.loops[Math.floor(partition / this.around.topology.partitionsPerShard)]
  }

  private byShard(partitions: readonly number[]): Map<number, number[]> {
    const groups = new Map<number, number[]>()
    for (const partition of partitions) {
      const shard = Math.floor(partition / this.around.topology.partitionsPerShard)
      groups.set(shard, [...(groups.get(shard) ?? []), this.numberOf(partition)])
    }
    return groups
  }
}

/** Reads as ShardReader does: with cursors that are forgotten now and then. */
class SimReader {
  private readonly around: Surroundings
  private readonly process: SimProcess
  private readonly partitionOf: (number: number) => number
  private readonly cursors = new Map<number, string>()
  private restartedAtMs = 0
  private incarnation = 0
  private wake: () => void = () => undefined

  constructor(around: Surroundings, process: SimProcess, partitionOf: (number: number) => number) {
    this.around = around
    this.process = process
    this.partitionOf = partitionOf
  }

  restart(): void {
    this.cursors.clear()
    this.restartedAtMs = this.process.monotonicMs()
  }

  interrupt(): void {
    this.wake()
  }

  async read(request: ReadRequest, offer: (entry: Entry) => boolean): Promise<void> {
    const { wire, redis } = this.around
    const isNewConnection = this.incarnation !== redis.incarnation
    this.incarnation = redis.incarnation
    if (isNewConnection || this.process.monotonicMs() - this.restartedAtMs >= READ_AGAIN_MS) this.restart()
    const cursors = new Map(this.cursors)
    const found = await wire.call(this.process, redis, async () => {
      const look = (): Entry[] =>
        request.partitions.flatMap((number) =>
          redis
            .read(this.partitionOf(number), cursors.get(number) ?? '0-0', request.limit + request.inFlight)
            .map((entry) => ({ ...entry, partition: number })),
        )
      const first = look()
      if (first.length > 0 || request.blockMs === 0) return first
      const interrupted = new Promise<void>((resolve) => (this.wake = resolve))
      await Promise.race([redis.somethingNew(request.blockMs), interrupted])
      return look()
    })
    let left = request.limit
    for (const entry of found) {
      if (left === 0) return
      if (offer(entry)) left -= 1
      this.cursors.set(entry.partition, entry.id)
    }
  }
}
