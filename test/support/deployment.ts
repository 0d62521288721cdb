import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { auditPerformance, type AuditReport } from '../../consumer/audit/audit.ts'
import { migrateLatest } from '../../migrations/migrate.ts'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { putPerformance } from '../../shared/catalogue/put-performance.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { BundleProcess } from './processes.ts'
import { JWT_SECRET } from './tokens.ts'
import { until } from './until.ts'

interface ServerUrls {
  readonly redisUrl: string
  /** Its user may create databases. */
  readonly databaseUrl: string
}

/** Ways to the servers other than the direct one, and other settings. */
export interface StartOptions {
  readonly redisUrl?: string
  readonly databaseUrl?: string
  readonly settings?: Readonly<Record<string, string>>
  readonly unready?: true
  /** A module that is loaded before the bundle. */
  readonly preload?: string
}

/** The sections of a sale of a test, and their seats. */
export interface House {
  readonly performanceId: string
  readonly sectionIds: readonly [string, ...string[]]
  readonly rows: number
  readonly seats: number
}

/**
 * A deployment out of real processes: function servers and consumers, each the bundle that is shipped, on a database
 * and a prefix of their own. What it looks into the servers with goes past every proxy.
 */
export class Deployment {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly keyPrefix = `d${randomBytes(6).toString('hex')}`
  readonly redis: Redis
  readonly knex: Knex
  readonly functions: BundleProcess[] = []
  readonly consumers: BundleProcess[] = []
  private readonly folder: string

  private constructor(folder: string, redisUrl: string, databaseUrl: string) {
    this.folder = folder
    this.redisUrl = redisUrl
    this.databaseUrl = databaseUrl
    this.redis = new Redis(redisUrl, { protocol: 2 })
    // It comes back by itself.
    this.redis.on('error', () => undefined)
    this.knex = connectMysql({ url: databaseUrl, tlsCaFile: undefined }, 'read', 4)
  }

  /** @param folder for the logs; removed at the end */
  static async on(servers: ServerUrls, folder: string): Promise<Deployment> {
    const name = `frontrow_fault_${randomBytes(6).toString('hex')}`
    const admin = connectMysql({ url: servers.databaseUrl, tlsCaFile: undefined }, 'read', 1)
    await admin.raw('CREATE DATABASE ??', [name])
    await admin.destroy()
    const url = new URL(servers.databaseUrl)
    url.pathname = `/${name}`
    const deployment = new Deployment(folder, servers.redisUrl, url.href)
    await migrateLatest(deployment.knex)
    return deployment
  }

  /** Starts a function server. `unready`: does not wait until it serves. */
  async startFunctions(options: StartOptions = {}): Promise<BundleProcess> {
    const started = await BundleProcess.start({
      bundle: 'functions',
      folder: this.folder,
      environment: {
        ...this.environment(options),
        AUTH_JWT_SECRET: JWT_SECRET,
        RATE_LIMIT: '0',
        ...options.settings,
      },
    })
    this.functions.push(started)
    if (options.unready !== true) await started.ready()
    return started
  }

  /** Starts a consumer, and waits until it has its share of the partitions, unless `unready`. */
  async startConsumer(options: StartOptions = {}): Promise<BundleProcess> {
    const started = await BundleProcess.start({
      bundle: 'consumer',
      folder: this.folder,
      environment: { ...this.environment(options), ...options.settings },
      preload: options.preload,
    })
    this.consumers.push(started)
    if (options.unready !== true) await started.ready()
    return started
  }

  /** A performance far ahead that is on sale. */
  async putHouse(
    { performanceId, sectionIds, rows, seats }: House,
    terms: { readonly saleClosesAt?: string } = {},
  ): Promise<void> {
    const definition = performanceDefinitionSchema.parse({
      title: 'Hamlet',
      venue: 'Opera House',
      startsAt: '2099-01-01T19:00:00Z',
      ...terms,
      sections: sectionIds.map((id) => ({
        id,
        name: `Section ${id}`,
        rows: Array.from({ length: rows }, (_, row) => ({ id: String(row + 1), seats })),
      })),
    })
    await putPerformance(this.knex, performanceId, definition)
  }

  audit(performanceId: string): Promise<AuditReport> {
    return auditPerformance(this.knex, this.redis, this.keyPrefix, performanceId)
  }

  /** The keys of one kind, found by looking: how they are put together is what is tested. */
  async keysLike(kind: 's' | 'r' | 'o' | 'taken'): Promise<string[]> {
    const found = new Set<string>()
    for await (const page of this.redis.scanStream({
      match: `${this.keyPrefix}{*}${kind}:*`,
      count: 1_000,
    })) {
      for (const key of page as string[]) found.add(key)
    }
    return [...found]
  }

  /** Waits until no stream holds anything that is undecided. */
  async settled(timeoutMs = 60_000): Promise<void> {
    await until(async () => {
      const lengths = await Promise.all((await this.keysLike('s')).map((stream) => this.redis.xlen(stream)))
      return lengths.every((length) => length === 0)
    }, timeoutMs)
  }

  async end(): Promise<void> {
    await Promise.all([...this.functions, ...this.consumers].map((each) => each.stop(2_000)))
    this.redis.disconnect()
    // Servers that were a test's own may be gone by now, and their databases with them.
    await this.knex
      .raw('DROP DATABASE ??', [new URL(this.databaseUrl).pathname.slice(1)])
      .catch(() => undefined)
    await this.knex.destroy()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private environment({ redisUrl, databaseUrl }: StartOptions): Record<string, string> {
    return {
      REDIS_URL: redisUrl ?? this.redisUrl,
      DATABASE_URL: databaseUrl ?? this.databaseUrl,
      REDIS_KEY_PREFIX: this.keyPrefix,
    }
  }
}
