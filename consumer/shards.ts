import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { ConsumerConfig } from '../shared/config.ts'
import { errorFields, type Log } from '../shared/log.ts'
import { firstSlotOfShard, type Topology } from '../shared/placement.ts'
import { connectRedis } from '../shared/redis/connect.ts'
import { redisKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import { recoverStakes, type ShardKey } from './claim-partitions.ts'
import { commitBatch } from './commit-batch.ts'
import { CommitTurns } from './commit-turns.ts'
import { decideBatch } from './decide-batch.ts'
import { findStored } from './find-stored.ts'
import { RedisIdentity } from './redis-identity.ts'
import { sectionLoader } from './load-sections.ts'
import type { ConsumerMetrics } from './metrics.ts'
import { SectionMemory } from './section-memory.ts'
import { SeatHolders } from './seat-holders.ts'
import { SectionState } from './section-state.ts'
import { settleBatch } from './settle-batch.ts'
import { ShardLoop } from './shard-loop.ts'
import { ShardReader } from './shard-reader.ts'

export interface Shard {
  readonly number: number
  readonly key: ShardKey
  readonly loop: ShardLoop
  readonly reader: ShardReader
}

export interface ShardsContext {
  readonly config: ConsumerConfig
  readonly topology: Topology
  readonly log: Log
  readonly metrics: ConsumerMetrics
  readonly commits: Knex
  readonly reads: Knex
  readonly redis: Redis
  readonly scripts: Scripts
  readonly monotonicMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Partitions are counted through all shards here. */
  readonly onLost: (partitions: readonly number[]) => void
  readonly onServing: (partitions: readonly number[]) => void
}

/** Entries of a batch under way from which on deciding ahead of it is worth it. */
const AHEAD_OF = 200
/** Small batches that commit at the same time. */
const LITTLE_AT_ONCE = 1
/** Many times what a small batch takes where all is well. */
const TURN_MS = 100
const WARM_UP_ROUNDS = 5
const WARM_UP_AT_ONCE = 8

/** The loops of a consumer, one a shard, and what they do to the outside. */
export class Shards {
  readonly all: readonly Shard[]
  /** Undefined where no seats are marked, which is all that wants to know it. */
  readonly identity: RedisIdentity | undefined
  private readonly context: ShardsContext
  private readonly memories: SectionMemory[] = []
  private readonly turns = new CommitTurns(LITTLE_AT_ONCE, TURN_MS)

  constructor(context: ShardsContext) {
    this.context = context
    this.identity = context.config.takenSeatsTtlMs > 0 ? new RedisIdentity(context.redis) : undefined
    this.all = Array.from({ length: context.topology.shards }, (_, number) => this.create(number))
  }

  /**
   * Goes the way of a batch with nothing in hand, so that connections are made and code is compiled before partitions
   * that stand still wait for it.
   *
   * @throws if the database does not answer
   */
  async warmUp(): Promise<void> {
    const { commits, reads, topology } = this.context
    const nobody = { performanceId: 'nobody', sectionId: 'nobody' }
    const nothing = { kind: 'book', requestId: '0'.repeat(36) }
    for (let round = 0; round < WARM_UP_ROUNDS; round++) {
      await Promise.all(
        this.all.slice(0, WARM_UP_AT_ONCE).map(async ({ number, key }) => {
          await findStored(reads, [nothing])
          await sectionLoader(reads)([nobody])
          const batch = decideBatch([], {
            topology,
            shard: number,
            shardSlot: key.slot,
            stakes: new Map(),
            section: () =>
              new SectionState({ terms: undefined, exists: false, holders: SeatHolders.of(new Map()) }),
            storedBefore: new Map(),
            marksIn: undefined,
            poison: new Map(),
          })
          await commitBatch(batch, { knex: commits, shard: number, shardKey: key, nowMs: 0 })
        }),
      )
    }
  }

  /** Until stopped. */
  async run(): Promise<void> {
    await Promise.all(this.all.map(({ loop }) => loop.run()))
  }

  stop(): void {
    for (const { loop } of this.all) loop.stop()
  }

  close(): void {
    for (const { reader } of this.all) reader.close()
  }

  get owned(): number {
    return this.all.reduce((sum, { loop }) => sum + loop.owned.length, 0)
  }

  /** Milliseconds since the slowest loop that has something to do got round. */
  get standstillMs(): number {
    return Math.max(0, ...this.all.map(({ loop }) => loop.standstillMs))
  }

  /** Partitions, counted through all shards, by shard and number within it. */
  group(partitions: readonly number[]): ReadonlyMap<Shard, readonly number[]> {
    const { partitionsPerShard } = this.context.topology
    const groups = new Map<Shard, number[]>()
    for (const partition of partitions) {
      const shard = this.all[Math.floor(partition / partitionsPerShard)]
      if (shard === undefined) throw new RangeError(`partition ${partition}`)
      const group = groups.get(shard)
      if (group === undefined) groups.set(shard, [partition % partitionsPerShard])
      else group.push(partition % partitionsPerShard)
    }
    return groups
  }

  /** The other way round. */
  ungroup(shard: Pick<Shard, 'number'>, numbers: Iterable<number>): number[] {
    const first = shard.number * this.context.topology.partitionsPerShard
    return [...numbers].map((number) => first + number)
  }

  private create(number: number): Shard {
    const { config, topology, log, metrics, commits, reads, redis, scripts, monotonicMs } = this.context
    const keys = redisKeys(config.keyPrefix, topology)
    const key: ShardKey = { slot: firstSlotOfShard(topology, number), topologyVersion: topology.version }
    const connection = connectRedis(config.redis, 'read', (error) => {
      log.debug(errorFields(error), 'redis reader')
    })
    const streamOf = (partition: number): string => keys.stream({ shard: number, number: partition })
    const reader = new ShardReader(connection, redis, streamOf, monotonicMs)
    const { outcomeTtlMs, recordTtlMs, takenSeatsTtlMs } = config
    const memory = new SectionMemory(sectionLoader(reads), Math.ceil(config.memorySeats / topology.shards))
    this.memories.push(memory)
    const loop = new ShardLoop({
      topology,
      shard: number,
      shardSlot: key.slot,
      maxBatch: config.maxBatch,
      aheadOf: Math.min(AHEAD_OF, config.maxBatch),
      marksIn: () => this.identity?.known,
      turns: this.turns,
      memory,
      log,
      metrics,
      read: (request, offer) => reader.read(request, offer),
      restartReading: () => {
        reader.restart()
      },
      interruptRead: () => {
        reader.interrupt()
      },
      findStored: (commands) => findStored(reads, commands),
      nowMs: Date.now,
      monotonicMs,
      commit: async (batch, nowMs) => {
        const done = metrics.commitSeconds.startTimer()
        const result = await commitBatch(batch, { knex: commits, shard: number, shardKey: key, nowMs })
        done()
        metrics.batchEntries.observe(batch.decided.length)
        metrics.memorySeats.set(this.memories.reduce((sum, { seatCount }) => sum + seatCount, 0))
        return result
      },
      settle: (batch, refused, nowMs) =>
        settleBatch(batch, refused, {
          redis,
          scripts,
          keys,
          topology,
          shard: number,
          outcomeTtlMs,
          recordTtlMs,
          takenSeatsTtlMs,
          nowMs,
          log,
        }),
      recover: (stakes) => recoverStakes(commits, key, stakes),
      sleep: this.context.sleep,
      onLost: (numbers) => {
        log.warn({ shard: number, partitions: numbers }, 'partitions are somebody else’s now')
        this.context.onLost(this.ungroup({ number }, numbers))
      },
      onServing: (numbers) => {
        this.context.onServing(this.ungroup({ number }, numbers))
      },
    })
    return { number, key, loop, reader }
  }
}
