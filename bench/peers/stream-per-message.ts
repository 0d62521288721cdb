import { Redis } from 'ioredis'
import type { Pool } from 'mysql2/promise'
import type { FunctionConfig } from '../../shared/config.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { bookSeats, storeRefusal } from './book-seats.ts'
import { connectPool } from './database.ts'
import { announcementsKey, SectionAnnouncements, sectionName } from './sections.ts'
import { SectionLine } from './section-line.ts'
import { TakenSeats } from './taken-seats.ts'
import { wishSchema, type Peer, type PeerWorker, type Wish } from './wish.ts'

const CONNECTIONS = 32
const BLOCK_MS = 500
/** Messages that one read brings of a stream. */
const MESSAGES_PER_STREAM = 50
/** Messages read and not yet done, above which nothing more is read. */
const MAX_READ_AHEAD = 5_000
const NAME = 'stream-per-message'

const streamKey = (config: FunctionConfig, section: string): string =>
  `${config.keyPrefix}:${NAME}:s:${section}`

/** Peer (e), its server: a Redis Stream a section; the answer is "accepted", the outcome is asked for in MySQL. */
export function createStreamPerMessage(config: FunctionConfig): Peer {
  const redis = connectRedis(config.redis, 'work', () => undefined)
  const announcements = new SectionAnnouncements(redis, announcementsKey(config.keyPrefix, NAME))
  return {
    async book(wish) {
      const section = sectionName(wish)
      await announcements.announce(section)
      await redis.xadd(streamKey(config, section), '*', 'wish', JSON.stringify(wish))
      return { kind: 'pending' }
    },
    close() {
      redis.disconnect()
      return Promise.resolve()
    },
  }
}

/**
 * Peer (e), its worker: one XREAD over all streams; of each section one message at a time, each in a transaction of its
 * own, deleted from its stream after the commit.
 */
export function createStreamWorker(config: FunctionConfig): PeerWorker {
  const worker = new StreamWorker(config)
  const running = worker.run()
  return {
    async close() {
      await worker.stop()
      await running
    },
  }
}

class StreamWorker {
  private readonly pool: Pool
  private readonly taken = new TakenSeats()
  private readonly reader: Redis
  private readonly redis: Redis
  private readonly config: FunctionConfig
  /** Stream → the newest id that was read. The announcements are one of them: a new section ends the wait. */
  private readonly cursors = new Map<string, string>()
  private readonly lines = new Map<string, SectionLine<Message>>()
  private readAhead = 0
  private makeRoom: (() => void) | undefined
  private stopped = false

  constructor(config: FunctionConfig) {
    this.config = config
    this.pool = connectPool(config.mysql.url, CONNECTIONS)
    this.reader = new Redis(config.redis.url, { protocol: 2, maxRetriesPerRequest: null })
    this.redis = new Redis(config.redis.url, { protocol: 2 })
    for (const redis of [this.reader, this.redis]) redis.on('error', () => undefined)
    this.cursors.set(announcementsKey(config.keyPrefix, NAME), '0')
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const answer = await this.read()
      for (const [stream, entries] of answer) {
        for (const [id, [, value = '']] of entries) this.receive(stream, id, value)
      }
      if (this.readAhead >= MAX_READ_AHEAD) await new Promise<void>((resolve) => (this.makeRoom = resolve))
    }
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.reader.disconnect()
    await Promise.all([...this.lines.values()].map((line) => line.idle()))
    await this.pool.end()
    this.redis.disconnect()
  }

  private async read(): Promise<[string, [string, string[]][]][]> {
    try {
      const [streams, ids] = [[...this.cursors.keys()], [...this.cursors.values()]]
      return (
        (await this.reader.xread(
          'COUNT',
          MESSAGES_PER_STREAM,
          'BLOCK',
          BLOCK_MS,
          'STREAMS',
          ...streams,
          ...ids,
        )) ?? []
      )
    } catch (error) {
      if (this.stopped) return []
      throw error
    }
  }

  private receive(stream: string, id: string, value: string): void {
    this.cursors.set(stream, id)
    if (stream === announcementsKey(this.config.keyPrefix, NAME)) {
      const key = streamKey(this.config, value)
      if (this.cursors.has(key)) return
      this.cursors.set(key, '0')
      this.lines.set(key, new SectionLine((message) => this.carryOut(message)))
      return
    }
    this.readAhead += 1
    this.lines.get(stream)?.push({ stream, id, wish: wishSchema.parse(JSON.parse(value)) })
  }

  private async carryOut({ stream, id, wish }: Message): Promise<void> {
    const verdict = await bookSeats(this.pool, this.taken, wish)
    if (verdict.kind === 'busy') throw new Error(`the database did not take ${wish.requestId}`)
    if (verdict.kind === 'taken') await storeRefusal(this.pool, wish, verdict.seatIds)
    // Not waited for: a message that stays is carried out again, which changes nothing.
    this.redis.xdel(stream, id).catch(() => undefined)
    this.readAhead -= 1
    if (this.readAhead < MAX_READ_AHEAD) this.makeRoom?.()
  }
}

interface Message {
  readonly stream: string
  readonly id: string
  readonly wish: Wish
}
