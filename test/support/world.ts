import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { inject } from 'vitest'
import { auditPerformance, type AuditReport } from '../../consumer/audit/audit.ts'
import { Consumer } from '../../consumer/consumer.ts'
import { createConsumerMetrics, type ConsumerMetrics } from '../../consumer/metrics.ts'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { putPerformance, type PutResult } from '../../shared/catalogue/put-performance.ts'
import { consumerConfig } from '../../shared/config.ts'
import { createLog } from '../../shared/log.ts'
import { partitionOf, type Topology } from '../../shared/placement.ts'
import { redisKeys, type RedisKeys } from '../../shared/redis/keys.ts'
import { ensureTopology } from '../../shared/topology.ts'
import { temporaryDatabase, type TemporaryDatabase } from './database.ts'
import {
  startFunctionServer,
  until,
  type Answered,
  type FunctionServer,
  type Wish,
} from './function-server.ts'

/** A consumer in this process, with what a test wants to know of it. */
export interface RunningConsumer {
  readonly consumer: Consumer
  readonly metrics: ConsumerMetrics
  /** A counter's value, summed over its labels. */
  count(name: keyof ConsumerMetrics): Promise<number>
  stop(): Promise<void>
}

/** A deployment of a test's own: a database, a Redis prefix, functions and consumers on real servers. */
export class World {
  readonly database: TemporaryDatabase
  readonly keyPrefix = `w${randomBytes(6).toString('hex')}`
  readonly redis = new Redis(inject('redisUrl'), { protocol: 2 })
  readonly topology: Topology
  readonly keys: RedisKeys
  private readonly functionServers: FunctionServer[] = []
  private readonly consumers: RunningConsumer[] = []

  private constructor(database: TemporaryDatabase, topology: Topology) {
    this.database = database
    this.topology = topology
    this.keys = redisKeys(this.keyPrefix, topology)
  }

  static async create(): Promise<World> {
    const database = await temporaryDatabase()
    const unset = { shards: undefined, partitionsPerShard: undefined }
    return new World(database, await ensureTopology(database.knex, unset, Date.now()))
  }

  get knex(): Knex {
    return this.database.knex
  }

  async startFunctions(settings: Readonly<Record<string, string>> = {}): Promise<FunctionServer> {
    const server = await startFunctionServer({
      databaseUrl: this.database.url,
      settings: { REDIS_KEY_PREFIX: this.keyPrefix, RATE_LIMIT: '0', ...settings },
    })
    this.functionServers.push(server)
    return server
  }

  /** A consumer that has just begun to start; the test ends it. */
  beginConsumer(settings: Readonly<Record<string, string>> = {}): {
    readonly consumer: Consumer
    readonly metrics: ConsumerMetrics
    readonly ended: Promise<void>
  } {
    const config = consumerConfig({
      REDIS_URL: inject('redisUrl'),
      DATABASE_URL: this.database.url,
      REDIS_KEY_PREFIX: this.keyPrefix,
      LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
      ...settings,
    })
    const metrics = createConsumerMetrics()
    const consumer = new Consumer(config, createLog('consumer', config.logLevel), metrics)
    const ended = consumer.run()
    // Where a test lets it fail, stop() tells.
    ended.catch(() => undefined)
    return { consumer, metrics, ended }
  }

  /** Starts a consumer, and waits until it has its share of the partitions. */
  async startConsumer(settings: Readonly<Record<string, string>> = {}): Promise<RunningConsumer> {
    const { consumer, metrics, ended } = this.beginConsumer(settings)
    const running: RunningConsumer = {
      consumer,
      metrics,
      async count(name) {
        const metric = metrics[name]
        if (!('get' in metric)) throw new Error(`${name} is no metric`)
        const { values } = await metric.get()
        return values.reduce((sum, { value }) => sum + value, 0)
      },
      async stop() {
        consumer.stop()
        await ended
      },
    }
    this.consumers.push(running)
    await until(() => consumer.ownerState === 'running')
    return running
  }

  /** A performance with sections of `rows` rows of `seats` seats; starts far ahead and is on sale. */
  async putPerformance(
    performanceId: string,
    shape: { sections?: readonly string[]; rows?: number; seats?: number; [other: string]: unknown } = {},
  ): Promise<PutResult> {
    const { sections = ['A'], rows = 1, seats = 10, ...terms } = shape
    const definition = performanceDefinitionSchema.parse({
      title: 'Hamlet',
      venue: 'Opera House',
      startsAt: '2099-01-01T19:00:00Z',
      sections: sections.map((id) => ({
        id,
        name: `Section ${id}`,
        rows: Array.from({ length: rows }, (_, row) => ({ id: String(row + 1), seats })),
      })),
      ...terms,
    })
    return putPerformance(this.knex, performanceId, definition)
  }

  /** The stream of a section's partition. */
  streamOf(performanceId: string, sectionId: string): string {
    return this.keys.stream(partitionOf(this.topology, performanceId, sectionId))
  }

  audit(performanceId: string): Promise<AuditReport> {
    return auditPerformance(this.knex, this.redis, this.keyPrefix, performanceId)
  }

  /** Waits until nothing is undecided. */
  async settled(): Promise<void> {
    const streams = Array.from({ length: this.topology.shards * this.topology.partitionsPerShard }, (_, i) =>
      this.keys.stream({
        shard: Math.floor(i / this.topology.partitionsPerShard),
        number: i % this.topology.partitionsPerShard,
      }),
    )
    await until(async () => {
      const lengths = await Promise.all(streams.map((stream) => this.redis.xlen(stream)))
      return lengths.every((length) => length === 0)
    }, 60_000)
  }

  async end(): Promise<void> {
    await Promise.all(this.functionServers.map((server) => server.stop()))
    await Promise.all(this.consumers.map((running) => running.stop()))
    this.redis.disconnect()
    await this.database.drop()
  }
}

/** Books and waits for the outcome. */
export async function bookAndWait(
  server: FunctionServer,
  customer: string,
  wish: Wish,
  key?: string,
): Promise<Answered['body']> {
  const accepted = await server.book(customer, wish, key)
  if (accepted.status !== 202) throw new Error(`not accepted: ${accepted.status} ${accepted.text}`)
  return outcomeOf(server, customer, requestIdOf(accepted))
}

/** Cancels and waits until it is decided. */
export async function cancelAndWait(
  server: FunctionServer,
  customer: string,
  requestId: string,
): Promise<Answered['body']> {
  const accepted = await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: customer })
  if (accepted.status !== 202) throw new Error(`not accepted: ${accepted.status} ${accepted.text}`)
  let body = await outcomeOf(server, customer, requestId)
  await until(async () => {
    body = await outcomeOf(server, customer, requestId)
    return body['status'] !== 'CONFIRMED' || body['reason'] !== undefined
  })
  return body
}

export async function outcomeOf(
  server: FunctionServer,
  customer: string,
  requestId: string,
): Promise<Answered['body']> {
  let body: Answered['body'] = {}
  await until(async () => {
    body = (await server.ask(`/bookings/${requestId}`, { as: customer })).body
    return body['status'] !== 'PENDING'
  })
  return body
}

export function requestIdOf(answered: Answered): string {
  return String(answered.body['requestId'])
}
