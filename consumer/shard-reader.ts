import type { Redis } from 'ioredis'
import type { Entry } from './parse-entry.ts'

/** Longest time between two readings from the streams' starts, in milliseconds. */
const RESTART_MS = 1_000

/**
 * Reads the undecided entries of one shard's streams, over a connection of its own.
 *
 * A stream holds only what is not decided, so reading may begin at its start at any time. A cursor only spares
 * reading again what is in flight; it is forgotten on every (re)connection and at least once a second, because
 * ids may go backwards after a failover, and an entry behind the cursor must not wait for ever.
 */
export class ShardReader {
  private readonly redis: Redis
  private readonly streamOf: (partition: number) => string
  private readonly nowMs: () => number
  private readonly cursors = new Map<number, string>()
  private restartedAtMs = 0
  private busyStreams = 1

  constructor(redis: Redis, streamOf: (partition: number) => string, nowMs: () => number) {
    this.redis = redis
    this.streamOf = streamOf
    this.nowMs = nowMs
    redis.on('ready', () => {
      this.restart()
    })
  }

  /** The next read begins at the streams' starts. */
  restart(): void {
    this.cursors.clear()
    this.restartedAtMs = this.nowMs()
  }

  /**
   * The next entries of some partitions, about evenly from each, in the order of their streams.
   *
   * @param limit entries wanted at most, besides those in flight
   * @param inFlight entries that a reading from the start meets first
   * @param blockMs how long to wait for entries if there are none; 0: not at all
   * @throws if Redis does not answer
   */
  async read(
    partitions: readonly number[],
    limit: number,
    inFlight: number,
    blockMs: number,
  ): Promise<Entry[]> {
    if (this.nowMs() - this.restartedAtMs >= RESTART_MS) this.restart()
    const share = Math.ceil(limit / this.busyStreams) + (this.cursors.size === 0 ? inFlight : 0)
    const streams = partitions.map(this.streamOf)
    const cursors = partitions.map((partition) => this.cursors.get(partition) ?? '0-0')
    const reply =
      blockMs > 0
        ? await this.redis.xread('COUNT', share, 'BLOCK', blockMs, 'STREAMS', ...streams, ...cursors)
        : await this.redis.xread('COUNT', share, 'STREAMS', ...streams, ...cursors)
    if (!reply) return []
    this.busyStreams = reply.length
    const numbers = new Map(streams.map((stream, i) => [stream, partitions[i] ?? 0]))
    // More streams than last time may have had entries: each gives its share only.
    const each = Math.max(1, Math.ceil((limit + inFlight) / reply.length))
    return reply.flatMap(([stream, found]) => {
      const partition = numbers.get(stream) ?? 0
      const taken = found.slice(0, each)
      const last = taken.at(-1)
      if (last !== undefined) this.cursors.set(partition, last[0])
      return taken.map(([id, fields]) => ({ partition, id, fields }))
    })
  }

  /** Ends a blocking read at once; nothing can be read afterwards. */
  close(): void {
    this.redis.disconnect()
  }
}
