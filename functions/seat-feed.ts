import type { Redis } from 'ioredis'
import type { Log } from '../shared/log.ts'
import { shardOfSlot, slotOf } from '../shared/placement.ts'
import { EventStream } from './event-stream.ts'
import { newestId, ShardFeed } from './shard-feed.ts'
import type { Placement, TopologyKeeper } from './topology-keeper.ts'

interface Needs {
  /** A new client of the role `read`. */
  readonly connectReader: () => Redis
  readonly redis: Redis
  readonly topology: TopologyKeeper
  readonly log: Log
  /** Streams that may be open at the same time. */
  readonly limit: number
}

/** Shows that a quiet stream lives; most proxies give up on one after a minute. */
const BEAT_MS = 15_000

/** A shard that somebody watches. */
interface Followed {
  readonly feed: Promise<ShardFeed>
  streams: number
}

/** All streams of seat changes of this instance, bounded. It follows a shard while somebody watches it. */
export class SeatFeed {
  private readonly needs: Needs
  private readonly followed = new Map<number, Followed>()
  private readonly beating: NodeJS.Timeout
  /** Under which topology the streams were opened: another one has other keys. */
  private placement: Placement | undefined
  private streams = 0
  private closed = false

  constructor(needs: Needs) {
    this.needs = needs
    this.beating = setInterval(() => {
      this.beat()
    }, BEAT_MS)
  }

  get size(): number {
    return this.streams
  }

  isFull(): boolean {
    return this.closed || this.streams >= this.needs.limit
  }

  /**
   * Opens a stream that tells what becomes of a performance's seats until either side ends it.
   *
   * @param lastEventId where the client was, if it was here before
   * @returns undefined if that cannot be done now
   */
  async open(performanceId: string, lastEventId: string | undefined): Promise<EventStream | undefined> {
    const placement = this.needs.topology.current ?? (await this.needs.topology.get())
    if (placement === undefined || this.isFull()) return undefined
    if (this.placement !== placement) this.endAll()
    this.placement = placement
    const shard = shardOfSlot(placement.topology, slotOf(performanceId))
    const followed = this.follow(placement, shard)
    const stream = new EventStream(() => {
      this.leave(shard, followed, stream)
    })
    // Whoever is still being told what it missed has its place already.
    this.streams += 1
    followed.streams += 1
    try {
      await (await followed.feed).add(performanceId, stream, lastEventId, this.needs.redis)
      return stream
    } catch {
      stream.close()
      return undefined
    }
  }

  /** Ends every stream; their clients come back elsewhere. */
  close(): void {
    this.closed = true
    clearInterval(this.beating)
    this.endAll()
  }

  private follow({ keys }: Placement, shard: number): Followed {
    let followed = this.followed.get(shard)
    if (followed === undefined) {
      followed = { feed: this.startFeed(keys.seatChanges(shard)), streams: 0 }
      this.followed.set(shard, followed)
    }
    return followed
  }

  private async startFeed(key: string): Promise<ShardFeed> {
    const { redis, connectReader, log } = this.needs
    const at = await newestId(redis, key)
    const feed = new ShardFeed(key, connectReader(), at, log)
    void feed.run()
    return feed
  }

  private leave(shard: number, followed: Followed, stream: EventStream): void {
    this.streams -= 1
    followed.streams -= 1
    const isLast = followed.streams === 0
    if (isLast && this.followed.get(shard) === followed) this.followed.delete(shard)
    withFeed(followed, (feed) => {
      feed.remove(stream)
      if (isLast) feed.end()
    })
  }

  private beat(): void {
    if (this.placement !== this.needs.topology.current) this.endAll()
    for (const followed of this.followed.values()) {
      withFeed(followed, (feed) => {
        feed.beat()
      })
    }
  }

  private endAll(): void {
    const all = [...this.followed.values()]
    this.followed.clear()
    for (const followed of all) {
      withFeed(followed, (feed) => {
        feed.end()
      })
    }
  }
}

/** A feed that could not start has told whoever wanted it. */
function withFeed({ feed }: Followed, act: (feed: ShardFeed) => void): void {
  feed.then(act, () => undefined)
}
