import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Entry } from './parse-entry.ts'

export interface ReadRequest {
  readonly partitions: readonly number[]
  readonly limit: number
  readonly inFlight: number
  readonly blockMs: number
}

/** Attempts to end a blocking read, and the pause after the first; each further one is twice as long. */
const INTERRUPT_TRIES = 5
const INTERRUPT_PAUSE_MS = 5

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
  private readonly helper: Redis
  private readonly streamOf: (partition: number) => string
  private readonly monotonicMs: () => number
  private readonly cursors = new Map<number, string>()
  /** Of thousands of partitions, put together once. */
  private readonly streams = new Map<number, string>()
  private readonly partitionsByStream = new Map<string, number>()
  private restartedAtMs = 0
  private busyStreams = 1
  private turn = 0
  /** Counts the reads; even: none is under way. */
  private reads = 0
  private clientId: number | undefined

  /** @param helper another client of the same Redis, which can end a blocking read of the first */
  constructor(
    redis: Redis,
    helper: Redis,
    streamOf: (partition: number) => string,
    monotonicMs: () => number,
  ) {
    this.redis = redis
    this.helper = helper
    this.streamOf = streamOf
    this.monotonicMs = monotonicMs
    redis.on('ready', () => {
      this.restart()
      this.clientId = undefined
      // Goes out before the first read. Without it a read cannot be interrupted, and ends by its time-out.
      redis.client('ID').then(
        (id) => (this.clientId = id),
        () => undefined,
      )
    })
  }

  /** Ends a read that waits for entries, so that the next one asks for other streams. */
  interrupt(): void {
    void this.unblock(this.reads)
  }

  /** Over another connection it may come before the read that it is to end has begun to wait. */
  private async unblock(read: number): Promise<void> {
    for (let tried = 0; tried < INTERRUPT_TRIES && this.reads === read && read % 2 === 1; tried++) {
      if (this.clientId !== undefined) await this.helper.client('UNBLOCK', this.clientId).catch(() => 0)
      await delay(INTERRUPT_PAUSE_MS << tried)
    }
  }

  /** The next read begins at the streams' starts. */
  restart(): void {
    this.cursors.clear()
    this.restartedAtMs = this.monotonicMs()
  }

  /**
   * Offers the next entries of some partitions, about evenly from each, in the order of their streams.
   *
   * @param request.limit entries wanted at most
   * @param request.inFlight entries of one partition, at most, that a reading from the start meets first
   * @param request.blockMs how long to wait for entries if there are none; 0: not at all
   * @param offer answers whether the entry counts: one that is in flight does not
   * @throws if Redis does not answer
   */
  async read(request: ReadRequest, offer: (entry: Entry) => boolean): Promise<void> {
    const { limit, inFlight, blockMs } = request
    const partitions = this.rotated(request.partitions)
    if (this.monotonicMs() - this.restartedAtMs >= RESTART_MS) this.restart()
    const count = Math.ceil(limit / this.busyStreams) + (this.cursors.size === 0 ? inFlight : 0)
    const streams = partitions.map((partition) => this.nameOf(partition))
    const cursors = partitions.map((partition) => this.cursors.get(partition) ?? '0-0')
    this.reads += 1
    const reply = await (
      blockMs > 0
        ? this.redis.xread('COUNT', count, 'BLOCK', blockMs, 'STREAMS', ...streams, ...cursors)
        : this.redis.xread('COUNT', count, 'STREAMS', ...streams, ...cursors)
    ).finally(() => (this.reads += 1))
    if (!reply) return
    this.busyStreams = reply.length
    const share = Math.ceil(limit / reply.length)
    let left = limit
    for (const [stream, entries] of reply) {
      left -= this.offerSome(this.partitionsByStream.get(stream) ?? 0, entries, Math.min(share, left), offer)
    }
  }

  private nameOf(partition: number): string {
    let stream = this.streams.get(partition)
    if (stream === undefined) {
      stream = this.streamOf(partition)
      this.streams.set(partition, stream)
      this.partitionsByStream.set(stream, partition)
    }
    return stream
  }

  /** Another partition comes first each time: with more busy streams than places none is left out for long. */
  private rotated(partitions: readonly number[]): readonly number[] {
    this.turn = (this.turn + 1) % Math.max(1, partitions.length)
    return [...partitions.slice(this.turn), ...partitions.slice(0, this.turn)]
  }

  /** Offers entries of one stream until enough of them counted, and moves its cursor behind the last one offered. */
  private offerSome(
    partition: number,
    entries: readonly (readonly [id: string, fields: string[]])[],
    enough: number,
    offer: (entry: Entry) => boolean,
  ): number {
    let counted = 0
    for (const [id, fields] of entries) {
      if (counted === enough) break
      if (offer({ partition, id, fields })) counted += 1
      this.cursors.set(partition, id)
    }
    return counted
  }

  /** Ends a blocking read at once; nothing can be read afterwards. */
  close(): void {
    this.redis.disconnect()
  }
}
