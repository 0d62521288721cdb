import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from './session.ts'
import type { Servers } from '../deploy/local/find-servers.ts'
import { migrateLatest } from '../migrations/migrate.ts'
import { connectMysql } from '../shared/mysql/connect.ts'
import { connectRedis, redisReady } from '../shared/redis/connect.ts'
import { membershipKeys } from '../shared/redis/keys.ts'
import { signToken } from '../shared/sign-token.ts'
import { readTopology } from '../shared/topology.ts'
import { readHead } from './head.ts'
import type { Head } from './report/render-table.ts'

const CUSTOMERS = 1_000
/** That of every process here. */
export const KEY_PREFIX = 'frontrow'
export const SECRET = 'benchmark-benchmark-benchmark-benchmark'

/** The servers on which rows are measured, one after the other, and ways to look into them past every row. */
export class Stage {
  readonly servers: Servers
  readonly dir: string
  readonly redis: Redis
  readonly knex: Knex
  readonly databaseUrl: string
  readonly tokens: readonly string[]
  readonly head: Head

  private constructor(
    given: Pick<Stage, 'servers' | 'dir' | 'redis' | 'knex' | 'databaseUrl' | 'tokens' | 'head'>,
  ) {
    this.servers = given.servers
    this.dir = given.dir
    this.redis = given.redis
    this.knex = given.knex
    this.databaseUrl = given.databaseUrl
    this.tokens = given.tokens
    this.head = given.head
  }

  /**
   * A stage on a database of its own.
   *
   * @throws Error if the servers promise less durability than the figures claim
   */
  static async on({ servers, dir, command }: Session, database: string): Promise<Stage> {
    const admin = connectMysql({ url: servers.databaseUrl, tlsCaFile: undefined }, 'read', 1)
    await admin.raw('CREATE DATABASE ??', [database])
    await admin.destroy()
    const url = new URL(servers.databaseUrl)
    url.pathname = `/${database}`
    const knex = connectMysql({ url: url.href, tlsCaFile: undefined }, 'read', 4)
    const redis = connectRedis({ url: servers.redisUrl, tlsCaFile: undefined }, 'work', () => undefined)
    try {
      await redisReady(redis, 10_000)
      await migrateLatest(knex)
      const head = await readHead(redis, knex, command)
      const tokens = await Promise.all(
        Array.from({ length: CUSTOMERS }, (_, i) =>
          signToken(SECRET, {}, { subject: customerName(i), lifetime: '2d' }),
        ),
      )
      return new Stage({ servers, dir, redis, knex, databaseUrl: url.href, tokens, head })
    } catch (error) {
      redis.disconnect()
      await knex.destroy()
      throw error
    }
  }

  /** Leaves the catalogue and the topology, and takes what rows have written. */
  async clear(): Promise<void> {
    for (const table of ['decisions', 'booked_seats', 'dead_letters'])
      await this.knex.raw('TRUNCATE TABLE ??', [table])
    await this.#flush()
    // A rewrite of what earlier rows appended would otherwise fall into the next row.
    await this.redis.bgrewriteaof().catch(() => undefined)
    while (/^aof_rewrite_(?:in_progress|scheduled):1/m.test(await this.redis.info('persistence')))
      await delay(20)
  }

  /**
   * Leaves the last signs of life of consumers that have left. Without them the next one could not tell them from ones that
   * died, and would share the partitions with them for three seconds.
   */
  async #flush(): Promise<void> {
    const topology = await readTopology(this.knex)
    const beats = topology && membershipKeys(KEY_PREFIX, topology).beats
    const shown = beats === undefined ? {} : await this.redis.hgetall(beats)
    await this.redis.flushall()
    if (beats !== undefined && Object.keys(shown).length > 0) await this.redis.hset(beats, shown)
  }

  /** Takes its database with it, unless the servers are ending anyway. */
  async drop(): Promise<void> {
    await this.knex.raw('DROP DATABASE ??', [new URL(this.databaseUrl).pathname.slice(1)])
    await this.close()
  }

  async close(): Promise<void> {
    this.redis.disconnect()
    await this.knex.destroy()
  }
}

/** Subject of the nth customer's token. */
export function customerName(number: number): string {
  return `customer-${number}`
}
