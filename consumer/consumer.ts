import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { ConsumerConfig } from '../shared/config.ts'
import { durabilityGaps } from '../shared/durability.ts'
import { FrontrowError } from '../shared/errors.ts'
import { errorFields, type Log } from '../shared/log.ts'
import { connectMysql } from '../shared/mysql/connect.ts'
import type { Topology } from '../shared/placement.ts'
import { followMaps } from '../shared/rebalance/map-broadcast.ts'
import { Member } from '../shared/rebalance/member.ts'
import { connectRedis } from '../shared/redis/connect.ts'
import { membershipKeys } from '../shared/redis/keys.ts'
import { defineScripts, type Scripts } from '../shared/redis/scripts.ts'
import { ensureTopology } from '../shared/topology.ts'
import type { ConsumerMetrics } from './metrics.ts'
import { Ownership } from './ownership.ts'
import { ownershipPorts } from './ownership-ports.ts'
import { Shards } from './shards.ts'
import { watchRedis } from './watch-redis.ts'

/**
 * starting ──> joining ──> running ──> draining ──> stopped
 *
 * - starting: waiting for the database and its tables, for as long as it takes
 * - joining:  shows itself to the other consumers, and claims what the first map that names it gives it
 * - running:  decides what it owns, which may be nothing: with more consumers than partitions it stands by
 * - draining: hands over what it owns, finishing the batches in flight
 */
export type ConsumerState = 'starting' | 'joining' | 'running' | 'draining' | 'stopped'

export interface ConsumerReadiness {
  readonly state: ConsumerState
  readonly owned: number
  /** Of the map that it follows. */
  readonly generation: number
  readonly redis: boolean
  readonly mysql: boolean
  /** Milliseconds since the slowest of its loops last got round. */
  readonly standstillMs: number
}

/** What exists once the topology is known. */
interface Taking {
  readonly shards: Shards
  readonly member: Member
  readonly ownership: Ownership
}

/** Waits between attempts to reach a database that is not there. */
const START_RETRY_MS = 500

/** At most; claims that wait for a frozen owner's locks must leave some to the shards that go on. Made as needed. */
const COMMIT_CONNECTIONS = 32

const monotonicMs = (): number => performance.now()

/** One consumer: its part in the ownership of partitions, a loop for each shard, and what they share. */
export class Consumer {
  /** A fresh name at each boot: a restarted process is another owner. */
  readonly name = `consumer-${randomUUID()}`
  private readonly config: ConsumerConfig
  private readonly log: Log
  private readonly metrics: ConsumerMetrics
  private readonly commits: Knex
  private readonly reads: Knex
  private readonly control: Knex
  private readonly redis: Redis
  private readonly lockRedis: Redis
  private readonly mapsRedis: Redis
  private readonly scripts: Scripts
  /** Asked to stop. */
  private readonly stopping = new AbortController()
  /** Everything is handed over. */
  private readonly ending = new AbortController()
  private state: ConsumerState = 'starting'
  private taking: Taking | undefined
  private stopWatching: () => void = () => undefined

  constructor(config: ConsumerConfig, log: Log, metrics: ConsumerMetrics) {
    this.config = config
    this.log = log.child({ consumer: this.name })
    this.metrics = metrics
    this.commits = connectMysql(config.mysql, 'commit', COMMIT_CONNECTIONS)
    this.reads = connectMysql(config.mysql, 'read', 8)
    this.control = connectMysql(config.mysql, 'read', 2)
    // Every loop may sleep at once.
    setMaxListeners(0, this.stopping.signal, this.ending.signal)
    const connect = (role: 'work' | 'lock' | 'read'): Redis =>
      connectRedis(config.redis, role, (error) => {
        this.log[role === 'work' ? 'warn' : 'debug'](errorFields(error), `redis (${role})`)
      })
    this.redis = connect('work')
    this.lockRedis = connect('lock')
    this.mapsRedis = connect('read')
    this.scripts = defineScripts(this.redis)
  }

  /**
   * Shares the partitions with the other consumers and decides its own until `stop`.
   *
   * @throws FrontrowError TOPOLOGY_DIFFERS if configured otherwise than the deployment; anything else is retried
   */
  async run(): Promise<void> {
    const topology = await this.untilItWorks('reading the topology', () =>
      ensureTopology(this.reads, this.config, Date.now()),
    )
    if (topology === undefined) return this.close()
    const taking = this.prepare(topology)
    const { shards, ownership } = taking
    this.taking = taking
    this.stopWatching = watchRedis({
      redis: this.redis,
      scripts: this.scripts,
      identity: shards.identity,
      keyPrefix: this.config.keyPrefix,
      topology,
      metrics: this.metrics,
      log: this.log,
      owned: () => shards.all.map(({ number, loop }) => ({ shard: number, partitions: loop.owned })),
    })
    await this.warmUp(shards)
    if (!this.isStopped()) this.enter('joining')
    void this.sayDurabilityGaps()
    const loops = shards.run()
    const following = this.follow(ownership, topology)
    await ownership.run(() => {
      this.look(taking)
    })
    this.ending.abort()
    shards.stop()
    await loops
    this.mapsRedis.disconnect()
    await following
    await this.close()
  }

  /** Hands over what it owns and finishes what is in flight; `run` returns when that is done. */
  stop(): void {
    if (this.state === 'draining' || this.state === 'stopped') return
    this.enter('draining')
    this.stopping.abort()
    this.taking?.ownership.leave()
  }

  async readiness(): Promise<ConsumerReadiness> {
    return {
      state: this.ownerState,
      owned: this.taking?.shards.owned ?? 0,
      generation: this.taking?.member.generation ?? 0,
      redis: this.redis.status === 'ready',
      standstillMs: Math.round(this.taking?.shards.standstillMs ?? 0),
      mysql: await this.reads.raw('SELECT 1').then(
        () => true,
        () => false,
      ),
    }
  }

  get ownerState(): ConsumerState {
    return this.state
  }

  private enter(state: ConsumerState): void {
    this.state = state
    this.log.info({ state, owned: this.taking?.shards.owned ?? 0 }, 'consumer')
  }

  private prepare(topology: Topology): Taking {
    const { config, log, metrics, commits, reads, redis, scripts } = this
    const sleep = (ms: number): Promise<void> => this.sleep(ms)
    const member = new Member({
      name: this.name,
      partitions: topology.shards * topology.partitionsPerShard,
      heartbeatMs: config.heartbeatMs,
      memberTimeoutMs: config.memberTimeoutMs,
      random: Math.random,
    })
    const shards = new Shards({
      ...{ config, topology, log, metrics, commits, reads, redis, scripts, monotonicMs, sleep },
      onLost: (partitions) => {
        ownership.lost(partitions)
      },
      onServing: (partitions) => {
        ownership.serving(partitions)
      },
    })
    const servers = { commits, control: this.control, redis, lockRedis: this.lockRedis, scripts }
    const ownership = new Ownership(
      member,
      ownershipPorts({
        ...servers,
        member: this.name,
        topology,
        keys: membershipKeys(config.keyPrefix, topology),
        log,
        metrics,
        shards,
        monotonicMs,
        sleep,
      }),
      config.memberTimeoutMs,
    )
    return { shards, member, ownership }
  }

  private look({ shards, member }: Taking): void {
    this.metrics.owned.set(shards.owned)
    if (this.state === 'joining' && member.isSettled) this.enter('running')
  }

  private async follow(ownership: Ownership, topology: Topology): Promise<void> {
    await followMaps({
      redis: this.mapsRedis,
      keys: membershipKeys(this.config.keyPrefix, topology),
      log: this.log,
      sleep: (ms) => this.sleep(ms),
      isStopped: () => this.ending.signal.aborted,
      onMap: (map) => {
        ownership.heard(map)
      },
    })
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
        await this.pause(START_RETRY_MS, this.stopping.signal)
      }
    }
    return undefined
  }

  private isStopped(): boolean {
    return this.stopping.signal.aborted
  }

  /** Ends early once everything is handed over. */
  private sleep(ms: number): Promise<void> {
    return this.pause(ms, this.ending.signal)
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, undefined, { signal }).catch(() => undefined)
  }

  /** What comes with the first map stands still until its sections are loaded and its first batch is committed. */
  private async warmUp(shards: Shards): Promise<void> {
    try {
      await shards.warmUp()
    } catch (error) {
      this.log.debug(errorFields(error), 'beginning cold')
    }
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
    this.taking?.shards.close()
    for (const redis of [this.redis, this.lockRedis, this.mapsRedis]) redis.disconnect()
    await Promise.all([this.commits.destroy(), this.reads.destroy(), this.control.destroy()])
    this.enter('stopped')
  }
}
