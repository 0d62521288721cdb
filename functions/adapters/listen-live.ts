import { errorFields } from '../../shared/log.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import type { Ports } from '../ports.ts'
import { SeatFeed } from '../seat-feed.ts'
import { Waiters } from '../waiters.ts'
import type { Instance } from './assemble-ports.ts'
import { RedisReplies } from './redis-replies.ts'

/** What a process has that lives on after an answer: connections over which it hears of outcomes and of seats. */
export interface Live extends Pick<Ports, 'waiters'> {
  readonly seatFeed: SeatFeed
  /** Called when the topology is known. */
  keepUp(): Promise<void>
  /** Answers all who wait and watch. */
  letGo(): void
  /** Closes the connections. */
  close(): void
}

/** @throws if a certificate file cannot be read */
export function listenLive(
  { config, log, metrics }: Instance,
  { redis, topology }: Pick<Ports, 'redis' | 'topology'>,
): Live {
  const subscriber = connectRedis(config.redis, 'subscribe', (error) => {
    log.debug(errorFields(error), 'redis subscriber')
  })
  const replies = new RedisReplies(subscriber, topology, log)
  const waiters = new Waiters(replies, config.maxWaiters)
  const seatFeed = new SeatFeed({
    connectReader: () =>
      connectRedis(config.redis, 'read', (error) => {
        log.debug(errorFields(error), 'redis reader')
      }),
    redis,
    topology,
    log,
    limit: config.maxEventStreams,
  })
  metrics.gauge('frontrow_waiters', 'Clients that wait for an outcome', () => waiters.size)
  metrics.gauge('frontrow_event_streams', 'Clients that watch seats', () => seatFeed.size)
  return {
    waiters,
    seatFeed,
    keepUp: () => replies.keepUp(),
    letGo() {
      waiters.close()
      seatFeed.close()
    },
    close() {
      replies.close()
      seatFeed.close()
    },
  }
}
