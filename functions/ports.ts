import type { Redis } from 'ioredis'
import type { FunctionConfig } from '../shared/config.ts'
import type { Log } from '../shared/log.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import type { BookingToAccept } from './accept-together.ts'
import type { ClientOf } from './client.ts'
import type { CorsOrigins } from './cors.ts'
import type { Identify } from './identity.ts'
import type { Metrics } from './metrics.ts'
import type { MysqlGate } from './mysql-gate.ts'
import type { PageAssetSource } from './openapi/page-assets.ts'
import type { Platform } from './platform.ts'
import type { ShownByShard } from './read-outcome.ts'
import type { ScriptAnswer } from './script-replies.ts'
import type { SeatFeed } from './seat-feed.ts'
import type { AskShard } from './shard-batches.ts'
import type { TopologyKeeper } from './topology-keeper.ts'
import type { Waiters } from './waiters.ts'

interface Clock {
  /** Milliseconds since 1970 UTC. */
  nowMs(): number
  /** Milliseconds of a clock that never jumps. */
  monotonicMs(): number
}

/** All that the application needs from where it runs. */
export interface Ports {
  readonly platform: Platform
  readonly mysql: MysqlGate
  /** A client of the role `accept`: nothing that it could not send at once is ever sent. */
  readonly redis: Redis
  /** Our scripts, on that client. */
  readonly scripts: Scripts
  /** Runs the accept script for a booking. */
  readonly acceptBooking: AskShard<BookingToAccept, ScriptAnswer>
  /** Reads what a shard shows of a request, by its id. */
  readonly readOutcome: AskShard<string, ShownByShard>
  readonly topology: TopologyKeeper
  /** Who may hang up while an answer is awaited. */
  readonly clientOf: ClientOf
  /** Clients that wait for an outcome. Where nobody can listen, it is looked for. */
  readonly waiters: Waiters
  /** Streams of seat changes; undefined where the platform has no process that lives long enough. */
  readonly seatFeed: SeatFeed | undefined
  readonly identify: Identify
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Pick<FunctionConfig, 'backlogCap' | 'rateLimit' | 'rateWindowMs'>
  /** Whose scripts may use this from a browser; undefined: nobody's. */
  readonly corsOrigins: CorsOrigins | undefined
  /** Files of the documentation page; undefined where the platform does not bring them along. */
  readonly docsAsset: PageAssetSource | undefined
  /** A new id for an HTTP exchange (`x-request-id`). */
  readonly newExchangeId: () => string
  /** Whether the process is on its way out: ready no longer. */
  readonly isStopping: () => boolean
}
