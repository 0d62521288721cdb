import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { errorFields, type Log } from '../../shared/log.ts'
import { bookingSchema, type Booking } from '../../shared/outcomes.ts'
import type { Placement, TopologyKeeper } from '../topology-keeper.ts'
import type { ReplyChannel } from '../waiters.ts'

/** How often the connection is asked whether it is still there. */
const PROBE_MS = 2_000

const messageSchema = z.array(bookingSchema)

/**
 * Hears of outcomes over sharded pub/sub: one channel a shard, named after this instance and carrying the shard's hash
 * tag, so that in a Redis Cluster a message stays on the node that holds the shard.
 *
 *   waiting for the topology ──> subscribing ──> listening ──(connection lost, topology changed)──> subscribing
 */
export class RedisReplies implements ReplyChannel {
  private readonly name = randomBytes(9).toString('base64url')
  private readonly redis: Redis
  private readonly topology: Pick<TopologyKeeper, 'current'>
  private readonly log: Log
  private readonly probe: NodeJS.Timeout
  /** Under which topology it listens; undefined: it does not. */
  private listening: Placement | undefined
  private subscribing = false
  private onOutcome: (booking: Booking) => void = () => undefined
  private onGap: () => void = () => undefined

  /** @param redis a client of the role `subscribe`, for this alone */
  constructor(redis: Redis, topology: Pick<TopologyKeeper, 'current'>, log: Log) {
    this.redis = redis
    this.topology = topology
    this.log = log
    redis.on('smessage', (_channel: string, message: string) => {
      this.hear(message)
    })
    redis.on('close', () => {
      this.listening = undefined
    })
    redis.on('ready', () => {
      void this.subscribe()
    })
    this.probe = setInterval(() => {
      void this.keepUp()
    }, PROBE_MS)
    void this.keepUp()
  }

  get address(): string | undefined {
    return this.listening !== undefined && this.listening === this.topology.current ? this.name : undefined
  }

  listen(onOutcome: (booking: Booking) => void, onGap: () => void): void {
    this.onOutcome = onOutcome
    this.onGap = onGap
  }

  /** Called when the topology is known, and now and then. */
  async keepUp(): Promise<void> {
    if (this.redis.status !== 'ready') return
    if (this.address === undefined) await this.subscribe()
    // A connection that went silent is given up by its time-out, but only while an answer is owed.
    else await this.redis.ping().catch(() => undefined)
  }

  close(): void {
    clearInterval(this.probe)
    this.redis.disconnect()
  }

  private async subscribe(): Promise<void> {
    const placement = this.topology.current
    if (placement === undefined || this.subscribing) return
    this.subscribing = true
    try {
      const { keys, topology } = placement
      for (let shard = 0; shard < topology.shards; shard++) {
        await this.redis.ssubscribe(keys.replies(shard, this.name))
      }
      this.listening = placement
      this.onGap()
    } catch (error) {
      // Tried again with the next probe; meanwhile outcomes are looked for.
      this.log.debug(errorFields(error), 'cannot hear of outcomes')
    } finally {
      this.subscribing = false
    }
  }

  private hear(message: string): void {
    let outcomes: unknown
    try {
      outcomes = JSON.parse(message)
    } catch {
      return
    }
    // One of another version: whoever waits looks for it in the end.
    for (const booking of messageSchema.safeParse(outcomes).data ?? []) this.onOutcome(booking)
  }
}
