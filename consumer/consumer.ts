import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { ConsumerConfig } from '../shared/config.ts'
import { durabilityGaps } from '../shared/durability.ts'
import { FrontrowError } from '../shared/errors.ts'
import { errorFields, type Log } from '../shared/log.ts'
import { connectMysql } from '../shared/mysql/connect.ts'
import { firstSlotOfShard, type Topology } from '../shared/placement.ts'
import { connectRedis } from '../shared/redis/connect.ts'
import { redisKeys } from '../shared/redis/keys.ts'
import { defineScripts, type Scripts } from '../shared/redis/scripts.ts'
import { ensureTopology } from '../shared/topology.ts'
import { claimPartitions, recoverStakes, type ShardKey } from './claim-partitions.ts'
import { commitBatch } from './commit-batch.ts'
import { findStored } from './find-stored.ts'
import { sectionLoader } from './load-sections.ts'
import type { ConsumerMetrics } from './metrics.ts'
import { SectionMemory } from './section-memory.ts'
import { settleBatch } from './settle-batch.ts'
import { ShardLoop } from './shard-loop.ts'
import { ShardReader } from './shard-reader.ts'
import { watchRedis } from './watch-redis.ts'

/**
 * starting ──> claiming ──> running ──> draining ──> stopped
 *
 * - starting: waiting for the database and its tables, for as long as it takes
 * - claiming: raising the epochs of its partitions
 * - running:  deciding; without partitions (all claimed by another) it stands by
 * - draining: finishing the batches in flight
 */
export type ConsumerState = 'starting' | 'claiming' | 'running' | 'draining' | 'stopped'

export interface ConsumerReadiness {
  readonly state: ConsumerState
  readonly owned: number
  readonly redis: boolean
  readonly mysql: boolean
  /** Milliseconds since the slowest of its loops last got round. */
  readonly standstillMs: number
}

interface Shard {
  readonly number: number
  readonly key: ShardKey
  readonly loop: ShardLoop
  readonly reader: ShardReader
}

/** Waits between attempts to reach a database that is not there. */
const START_RETRY_MS = 500

const monotonicMs = (): number => performance.now()

/** One consumer: a loop for each shard, and what they share. */
export class Consumer {
  /** A fresh name at each boot: a restarted process is another owner. */
  readonly name = `consumer-${randomUUID()}`
  private readonly config: ConsumerConfig
  private readonly log: Log
  private readonly metrics: ConsumerMetrics
  private readonly commits: Knex
  private readonly reads: Knex
  private readonly redis: Redis
  private readonly scripts: Scripts
  private readonly stopping = new AbortController()
  private state: ConsumerState = 'starting'
  private shards: readonly Shard[] = []
  private readonly memories: SectionMemory[] = []
  private stopWatching: () => void = () => undefined

  constructor(config: ConsumerConfig, log: Log, metrics: ConsumerMetrics) {
    this.config = config
    this.log = log.child({ consumer: this.name })
    this.metrics = metrics
    this.commits = connectMysql(config.mysql, 'commit', 16)
    this.reads = connectMysql(config.mysql, 'read', 8)
    this.redis = connectRedis(config.redis, 'work', (error) => {
      this.log.warn(errorFields(error), 'redis')
    })
    this.scripts = defineScripts(this.redis)
  }

  /**
   * Takes over every partition and decides until `stop`.
   *
   * @throws FrontrowError TOPOLOGY_DIFFERS if configured otherwise than the deployment; anything else is retried
   */
  async run(): Promise<void> {
    const topology = await this.untilItWorks('reading the topology', () =>
      ensureTopology(this.reads, this.config, Date.now()),
    )
    if (topology === undefined) return this.close()
    this.shards = Array.from({ length: topology.shards }, (_, number) => this.createShard(topology, number))
    this.stopWatching = watchRedis({
      redis: this.redis,
      keyPrefix: this.config.keyPrefix,
      topology,
      metrics: this.metrics,
      log: this.log,
      owned: () => this.shards.map(({ number, loop }) => ({ shard: number, partitions: loop.owned })),
    })
    this.enter('claiming')
    void this.sayDurabilityGaps()
    // Each shard for itself: what is claimed is fenced from its former owner, and must not wait for the rest.
    const loops = this.shards.map(({ loop }) => loop.run())
    await Promise.all(this.shards.map((shard) => this.claim(shard, topology)))
    if (!this.isStopped()) this.enter('running')
    await Promise.all(loops)
    await this.close()
  }

  /** Finishes what is in flight; `run` returns when it is done. */
  stop(): void {
    if (this.state === 'draining' || this.state === 'stopped') return
    this.enter('draining')
    for (const { loop, reader } of this.shards) {
      loop.stop()
      reader.close()
    }
    this.stopping.abort()
  }

  async readiness(): Promise<ConsumerReadiness> {
    return {
      state: this.state,
      owned: this.owned,
      redis: this.redis.status === 'ready',
      standstillMs: Math.round(Math.max(0, ...this.shards.map(({ loop }) => loop.standstillMs))),
      mysql: await this.reads.raw('SELECT 1').then(
        () => true,
        () => false,
      ),
    }
  }

  get ownerState(): ConsumerState {
    return this.state
  }

  private get owned(): number {
    return this.shards.reduce((sum, { loop }) => sum + loop.owned.length, 0)
  }

  private enter(state: ConsumerState): void {
    this.state = state
    this.log.info({ state, owned: this.owned }, 'consumer')
  }

  private createShard(topology: Topology, number: number): Shard {
    const { config, commits, reads, redis, scripts, metrics, log } = this
    const keys = redisKeys(config.keyPrefix, topology)
    const key: ShardKey = { slot: firstSlotOfShard(topology, number), topologyVersion: topology.version }
    const connection = connectRedis(config.redis, 'read', (error) => {
      log.debug(errorFields(error), 'redis reader')
    })
    const reader = new ShardReader(
      connection,
      (partition) => keys.stream({ shard: number, number: partition }),
      monotonicMs,
    )
    const { outcomeTtlMs, recordTtlMs } = config
    const memory = new SectionMemory(sectionLoader(reads), Math.ceil(config.memorySeats / topology.shards))
    this.memories.push(memory)
    const loop = new ShardLoop({
      topology,
      shard: number,
      shardSlot: key.slot,
      maxBatch: config.maxBatch,
      memory,
      log,
      metrics,
      read: (request, offer) => reader.read(request, offer),
      restartReading: () => {
        reader.restart()
      },
      findStored: (commands) => findStored(reads, commands),
      nowMs: Date.now,
      monotonicMs,
      commit: async (batch, nowMs) => {
        const done = metrics.commitSeconds.startTimer()
        const result = await commitBatch(batch, {
          knex: commits,
          shard: number,
          shardKey: key,
          nowMs,
        })
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
          nowMs,
        }),
      recover: (stakes) => recoverStakes(commits, key, stakes),
      sleep: (ms) => this.sleep(ms),
      onLost: (partitions) => {
        log.warn({ shard: number, partitions }, 'partitions are somebody else’s now')
        this.showOwned()
      },
    })
    return { number, key, loop, reader }
  }

  private async claim(shard: Shard, topology: Topology): Promise<void> {
    const numbers = Array.from({ length: topology.partitionsPerShard }, (_, number) => number)
    await this.untilItWorks('claiming partitions', async () => {
      const wanted = numbers.filter((number) => !shard.loop.owned.includes(number))
      const claim = { owner: this.name, generation: 0, nowMs: Date.now() }
      await claimPartitions(this.commits, shard.key, wanted, claim, (stakes) => {
        shard.loop.own(stakes)
        this.showOwned()
      })
    })
  }

  private showOwned(): void {
    this.metrics.owned.set(this.owned)
  }

  /** Tries until it works or the consumer is stopped; what no retry can mend is thrown. */
  private async untilItWorks<T>(what: string, attempt: () => Promise<T>): Promise<T | undefined> {
    while (!this.isStopped()) {
      try {
        const result = await attempt()
        // Stopped in the meantime: whoever asked for it no longer wants it.
        return this.isStopped() ? undefined : result
      } catch (error) {
        if (error instanceof FrontrowError && !error.retryable) throw error
        this.log.warn(errorFields(error), `${what} failed, will try again`)
        await this.sleep(START_RETRY_MS)
      }
    }
    return undefined
  }

  private isStopped(): boolean {
    return this.stopping.signal.aborted
  }

  private async sleep(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined)
  }

  private async sayDurabilityGaps(): Promise<void> {
    try {
      for (const gap of await durabilityGaps(this.redis, this.reads))
        this.log.warn({ gap }, 'weaker than assumed')
    } catch (error) {
      this.log.warn(errorFields(error), 'the servers’ durability could not be checked')
    }
  }

  private async close(): Promise<void> {
    this.stopWatching()
    for (const { reader } of this.shards) reader.close()
    this.redis.disconnect()
    await Promise.all([this.commits.destroy(), this.reads.destroy()])
    this.enter('stopped')
  }
}
