import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import autocannon from 'autocannon'
import { SignJWT } from 'jose'
import { auditPerformance } from '../consumer/audit/audit.ts'
import { launch, type ChildProcess } from '../deploy/local/child-process.ts'
import { findServers, type Servers } from '../deploy/local/find-servers.ts'
import { migrateLatest } from '../migrations/migrate.ts'
import { performanceDefinitionSchema } from '../shared/catalogue/performance-schema.ts'
import { putPerformance } from '../shared/catalogue/put-performance.ts'
import { connectMysql } from '../shared/mysql/connect.ts'
import { connectRedis, redisReady } from '../shared/redis/connect.ts'
import type { Knex } from 'knex'
import type { Redis } from 'ioredis'

/**
 * `npm run throughput`: how many bookings a second this machine accepts, drains and takes the whole way, each seat asked
 * for once. One function server, one consumer, load from this process; all on this machine, so the figures compare
 * with each other and with DESIGN's, not with other machines'.
 */
const SEATS_PER_PERFORMANCE = 15_000
const CUSTOMERS = 1_000
const CONNECTIONS = 256
const PORT = 18_080
const SECRET = 'throughput-throughput-throughput-throughput'

interface Bench {
  readonly servers: Servers
  readonly knex: Knex
  readonly redis: Redis
  readonly tokens: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly dir: string
}

async function main(): Promise<void> {
  const performances = Number(process.argv[2] ?? 4)
  if (!Number.isInteger(performances) || performances < 1 || performances > 100) {
    console.error(
      'Usage: npm run throughput -- [performances of 15,000 seats each phase, 1 to 100; default 4]',
    )
    process.exitCode = 2
    return
  }
  const dir = mkdtempSync(join(tmpdir(), 'frontrow-throughput-'))
  const servers = await findServers({
    dataDir: dir,
    allowInstall: true,
    keepData: false,
    environment: {},
    log: console.log,
  })
  console.log(servers.description)
  try {
    await measure(await prepare(servers, dir, performances), performances)
  } finally {
    await servers.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function prepare(servers: Servers, dir: string, performances: number): Promise<Bench> {
  const knex = connectMysql({ url: servers.databaseUrl, tlsCaFile: undefined }, 'read', 4)
  const redis = connectRedis({ url: servers.redisUrl, tlsCaFile: undefined }, 'work', () => undefined)
  await redisReady(redis, 10_000)
  await migrateLatest(knex)
  const definition = performanceDefinitionSchema.parse({
    title: 'Throughput',
    venue: 'Arena',
    startsAt: '2099-01-01T00:00:00Z',
    sections: Array.from({ length: 50 }, (_, i) => ({
      id: `S${i}`,
      name: `Section ${i}`,
      rows: Array.from({ length: 15 }, (_row, row) => ({ id: String(row + 1), seats: 20 })),
    })),
  })
  for (const phase of ['backlog', 'whole']) {
    for (let i = 0; i < performances; i++) await putPerformance(knex, `${phase}-${i}`, definition)
  }
  const key = new TextEncoder().encode(SECRET)
  const tokens = await Promise.all(
    Array.from({ length: CUSTOMERS }, (_, i) =>
      new SignJWT()
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(`customer-${i}`)
        .setExpirationTime('1d')
        .sign(key),
    ),
  )
  const environment = {
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
    AUTH_JWT_SECRET: SECRET,
    PORT: String(PORT),
    CONSUMER_PORT: String(PORT + 1),
    BACKLOG_CAP: '10000000',
    RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  }
  return { servers, knex, redis, tokens, environment, dir }
}

async function measure(bench: Bench, performances: number): Promise<void> {
  const requests = performances * SEATS_PER_PERFORMANCE
  const functions = await startProcess(bench, 'functions')
  let consumer: ChildProcess | undefined
  try {
    await delay(2_000)
    console.log(`${requests} distinct seats a phase, ${CONNECTIONS} connections`)
    const bare = await autocannon({
      url: `http://127.0.0.1:${PORT}/livez`,
      connections: CONNECTIONS,
      duration: 5,
    })
    print('bare answers of the same server, to compare with', bare['2xx'], bare.duration)
    const empty = await redisMemory(bench.redis)
    const before = [await processorSeconds(PORT), ownSeconds()] as const
    const accepted = await load(bench, 'backlog', performances)
    const after = [await processorSeconds(PORT), ownSeconds()] as const
    const full = await redisMemory(bench.redis)
    print('accept only', accepted.count, accepted.seconds)
    const microseconds = (seconds: number): string => `${Math.round((seconds * 1e6) / requests)} µs`
    console.log(
      `  processor time a request: function ${microseconds(after[0] - before[0])}, load ${microseconds(after[1] - before[1])}`,
    )

    const started = performance.now()
    consumer = await startProcess(bench, 'consumer')
    await untilDecided(bench.knex, requests)
    print('drain only (with the start of the process)', requests, (performance.now() - started) / 1_000)

    console.log(await commitFigures())
    const decidedAll = await redisMemory(bench.redis)
    const bytes = (used: number): string => `${Math.round((used - empty) / requests)} bytes`
    console.log(
      `  Redis memory a request: ${bytes(full)} undecided, ${bytes(decidedAll)} decided, of these ${await outcomeBytes(bench.redis)} bytes until the outcome expires`,
    )

    const wholeStarted = performance.now()
    const whole = await load(bench, 'whole', performances)
    const backlog = 2 * requests - (await decided(bench.knex))
    await untilDecided(bench.knex, 2 * requests)
    print('whole way, accepted', whole.count, whole.seconds)
    print('whole way, decided and committed', requests, (performance.now() - wholeStarted) / 1_000)
    console.log(`undecided when the last was accepted: ${backlog}`)

    const report = await auditPerformance(bench.knex, bench.redis, 'frontrow', 'whole-0')
    console.log(`audit of one performance: ${report.decisions} decisions, ${report.findings.length} findings`)
    if (report.findings.length > 0 || report.seatsTaken !== SEATS_PER_PERFORMANCE) process.exitCode = 1
  } finally {
    await functions.stop(10_000)
    await consumer?.stop(10_000)
    bench.redis.disconnect()
    await bench.knex.destroy()
  }
}

function print(what: string, count: number, seconds: number): void {
  console.log(`${what}: ${Math.round(count / seconds)} a second (${count} in ${seconds.toFixed(2)} s)`)
}

/** Asks for every seat of a phase's performances once. */
async function load(
  bench: Bench,
  phase: string,
  performances: number,
): Promise<{ count: number; seconds: number }> {
  const amount = performances * SEATS_PER_PERFORMANCE
  let next = 0
  let refused = 0
  const started = performance.now()
  await new Promise<void>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${PORT}`,
        connections: CONNECTIONS,
        amount,
        requests: [
          {
            method: 'POST',
            path: '/bookings',
            setupRequest: (request) => {
              const i = next++
              const seat = i % SEATS_PER_PERFORMANCE
              return {
                ...request,
                headers: {
                  authorization: `Bearer ${bench.tokens[i % CUSTOMERS] ?? ''}`,
                  'content-type': 'application/json',
                  'idempotency-key': `${phase}-${i}`,
                },
                body: JSON.stringify({
                  performanceId: `${phase}-${Math.floor(i / SEATS_PER_PERFORMANCE) % performances}`,
                  sectionId: `S${seat % 50}`,
                  seatIds: [`${(Math.floor(seat / 50) % 15) + 1}-${Math.floor(seat / 750) + 1}`],
                }),
              }
            },
          },
        ],
      },
      (error: Error | null) => {
        if (error) reject(error)
        else resolve()
      },
    )
    instance.on('response', (_client, statusCode) => {
      if (statusCode !== 202) refused += 1
    })
  })
  if (refused > 0) console.log(`${refused} requests were not accepted`)
  return { count: amount, seconds: (performance.now() - started) / 1_000 }
}

/** Processor time of this process, in seconds. */
function ownSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function redisMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1] ?? 0)
}

/** What one outcome takes, its key included. */
async function outcomeBytes(redis: Redis): Promise<number> {
  for await (const keys of redis.scanStream({ match: 'frontrow{*}o:*', count: 1_000 })) {
    const [key] = keys as string[]
    if (key !== undefined) return (await redis.memory('USAGE', key)) ?? 0
  }
  return 0
}

/** Processor time that a process of ours has used so far, in seconds. */
async function processorSeconds(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^process_cpu_seconds_total (.+)$/m.exec(text)?.[1] ?? 0)
}

/** The consumer's own view of its transactions so far. */
async function commitFigures(): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${PORT + 1}/metrics`)).text()
  const figure = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? 0)
  const commits = figure('frontrow_commit_seconds_count')
  const ms = (figure('frontrow_commit_seconds_sum') / commits) * 1_000
  const entries = figure('frontrow_batch_entries_sum') / figure('frontrow_batch_entries_count')
  const cpu = figure('process_cpu_seconds_total')
  return `  ${commits} transactions of ${entries.toFixed(0)} entries and ${ms.toFixed(1)} ms on average; the consumer used ${cpu.toFixed(2)} s of processor`
}

/** Decisions committed so far: the sum of the partitions' sequences, which costs the database next to nothing to read. */
async function decided(knex: Knex): Promise<number> {
  const [row] = await knex('partitions').sum<{ n: string | number | null }[]>({ n: 'sequence' })
  return Number(row?.n ?? 0)
}

async function untilDecided(knex: Knex, count: number): Promise<void> {
  const deadline = performance.now() + 300_000
  while ((await decided(knex)) < count) {
    if (performance.now() > deadline) throw new Error(`not everything was decided in time`)
    await delay(20)
  }
}

/** With FRONTROW_PROFILE=functions or =consumer that process leaves a V8 profile in .local/profile. */
function startProcess(bench: Bench, name: 'functions' | 'consumer'): Promise<ChildProcess> {
  const profile =
    process.env['FRONTROW_PROFILE'] === name ? ['--cpu-prof', '--cpu-prof-dir=.local/profile'] : []
  return launch({
    command: process.execPath,
    args: [...profile, '--enable-source-maps', join(import.meta.dirname, `${name}.js`)],
    cwd: process.cwd(),
    logFile: join(bench.dir, `${name}.log`),
    environment: bench.environment,
  })
}

await main()
