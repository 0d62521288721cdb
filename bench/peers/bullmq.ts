import { Queue, QueueEvents, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Pool } from 'mysql2/promise'
import type { FunctionConfig } from '../../shared/config.ts'
import { bookSeats, readVerdict } from './book-seats.ts'
import { connectPool } from './database.ts'
import { readAnnouncements } from './read-announcements.ts'
import { announcementsKey, SectionAnnouncements, sectionName } from './sections.ts'
import { TakenSeats } from './taken-seats.ts'
import type { Peer, PeerWorker, Verdict, Wish } from './wish.ts'

/** For the server's reads. */
const READ_CONNECTIONS = 8
/** For the workers' transactions: one at a time a section. */
const CONNECTIONS = 32
/** Finished jobs that a queue keeps: a retry finds the outcome there, an older one in MySQL. */
const KEPT_JOBS = 100
const ANSWER_WITHIN_MS = 30_000
const NAME = 'bullmq'

interface Section {
  readonly queue: Queue<Wish, Verdict>
  readonly events: QueueEvents
}

const connect = (config: FunctionConfig): Redis => {
  // BullMQ insists on it for what blocks.
  const redis = new Redis(config.redis.url, { protocol: 2, maxRetriesPerRequest: null })
  redis.on('error', () => undefined)
  return redis
}

const queuePrefix = (config: FunctionConfig): string => `${config.keyPrefix}-queue`

/** Peer (d), its server: a queue a section, made when it is first asked for; the job's end is the answer. */
export function createBullmq(config: FunctionConfig): Peer {
  const redis = connect(config)
  const pool = connectPool(config.mysql.url, READ_CONNECTIONS)
  const taken = new TakenSeats()
  const announcements = new SectionAnnouncements(redis, announcementsKey(config.keyPrefix, NAME))
  const sections = new Map<string, Section>()
  const open = (name: string): Section => {
    const options = { connection: redis, prefix: queuePrefix(config) }
    const section = {
      queue: new Queue<Wish, Verdict>(name, {
        ...options,
        defaultJobOptions: { removeOnComplete: KEPT_JOBS, removeOnFail: KEPT_JOBS },
      }),
      // From the stream's start: the default is "from now on", which a job that is done sooner than the first read misses.
      events: new QueueEvents(name, { ...options, lastEventId: '0' }),
    }
    // Each request that waits is a listener.
    section.queue.setMaxListeners(0)
    section.events.setMaxListeners(0)
    section.events.on('error', () => undefined)
    sections.set(name, section)
    return section
  }
  return {
    async book(wish) {
      const refused = taken.maybe(wish) ? await readVerdict(pool, taken, wish) : undefined
      if (refused !== undefined) return refused
      const name = sectionName(wish)
      await announcements.announce(name)
      const verdict = await ask(sections.get(name) ?? open(name), wish)
      if (verdict.kind === 'taken') taken.note(wish, verdict.seatIds)
      return verdict
    },
    async close() {
      await Promise.all(
        [...sections.values()].flatMap(({ queue, events }) => [queue.close(), events.close()]),
      )
      await pool.end()
      redis.disconnect()
    },
  }
}

async function ask({ queue, events }: Section, wish: Wish): Promise<Verdict> {
  // The same wish twice is the same job. A number alone would be taken for one of BullMQ's own ids.
  const job = await queue.add('book', wish, { jobId: `r${wish.requestId}` })
  return job.waitUntilFinished(events, ANSWER_WITHIN_MS)
}

/** Peer (d), its workers: one a section, one job at a time, one transaction a job. */
export function createBullmqWorker(config: FunctionConfig): PeerWorker {
  const redis = connect(config)
  const pool: Pool = connectPool(config.mysql.url, CONNECTIONS)
  const taken = new TakenSeats()
  const workers = new Map<string, Worker<Wish, Verdict>>()
  const reading = readAnnouncements(connect(config), announcementsKey(config.keyPrefix, NAME), (name) => {
    if (workers.has(name)) return
    const worker = new Worker<Wish, Verdict>(name, (job) => bookSeats(pool, taken, job.data), {
      connection: redis,
      prefix: queuePrefix(config),
      concurrency: 1,
    })
    worker.on('error', () => undefined)
    workers.set(name, worker)
  })
  return {
    async close() {
      await reading.close()
      await Promise.all([...workers.values()].map((worker) => worker.close()))
      await pool.end()
      redis.disconnect()
    },
  }
}
