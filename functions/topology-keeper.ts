import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { CommonConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { errorFields, type Log } from '../shared/log.ts'
import type { Topology } from '../shared/placement.ts'
import { redisKeys, topologyMark, type RedisKeys } from '../shared/redis/keys.ts'
import { ensureTopology, publishTopology } from '../shared/topology.ts'
import type { MysqlGate } from './mysql-gate.ts'

/** A topology and what follows from it. */
export interface Placement {
  readonly topology: Topology
  readonly keys: RedisKeys
  /** What the accept scripts compare with the shard's own. */
  readonly mark: string
}

interface Needs {
  readonly config: Pick<CommonConfig, 'shards' | 'partitionsPerShard' | 'keyPrefix'>
  readonly mysql: MysqlGate
  readonly redis: Redis
  readonly nowMs: () => number
  readonly log: Log
  /** This process was configured otherwise than what is stored: it must not go on. */
  readonly onDiffers: (error: FrontrowError) => void
}

/** Attempts are at least this far apart, however many requests ask for one. */
const MIN_INTERVAL_MS = 250

/**
 * Keeps the topology: loaded from MySQL once, and again only when a shard says that it has another one. So accepts
 * go on without MySQL.
 */
export class TopologyKeeper {
  /** Undefined until it could be loaded. */
  current: Placement | undefined
  readonly #needs: Needs
  #loading: Promise<void> | undefined
  #finishedAtMs = Number.NEGATIVE_INFINITY

  constructor(needs: Needs) {
    this.#needs = needs
  }

  /** The topology, loaded if it is not known yet; undefined if it cannot be had now. */
  async get(): Promise<Placement | undefined> {
    if (this.current === undefined) await this.load()
    return this.current
  }

  /**
   * Loads the topology and puts back the marks that vanished from shards. Called again when a shard has another mark
   * than ours. One attempt at a time, shared by all who ask meanwhile. Does not throw: what failed is logged.
   */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
      this.#finishedAtMs = this.#needs.nowMs()
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    const { config, mysql, redis, nowMs, log, onDiffers } = this.#needs
    const tooEarlyMs = this.#finishedAtMs + MIN_INTERVAL_MS - nowMs()
    if (tooEarlyMs > 0) await sleep(Math.min(tooEarlyMs, MIN_INTERVAL_MS))
    try {
      const topology = await mysql.ask((knex) => ensureTopology(knex, config, nowMs()))
      const mark = topologyMark(topology)
      if (this.current?.mark !== mark) {
        this.current = { topology, mark, keys: redisKeys(config.keyPrefix, topology) }
        log.info({ topology: mark }, 'topology loaded')
      }
      if (redis.status === 'ready') await publishTopology(redis, config.keyPrefix, topology)
    } catch (error) {
      log.warn(errorFields(error), 'the topology could not be loaded or marked')
      if (error instanceof FrontrowError && error.code === 'TOPOLOGY_DIFFERS') onDiffers(error)
    }
  }
}
