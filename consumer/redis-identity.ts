import type { Redis } from 'ioredis'

/**
 * Which Redis a client speaks to: the id of its replication history, which a copy that takes over does not share. Undefined
 * until it is known, again after each new connection.
 */
export class RedisIdentity {
  known: string | undefined
  private readonly redis: Redis

  constructor(redis: Redis) {
    this.redis = redis
    redis.on('close', () => {
      this.known = undefined
    })
    redis.on('ready', () => void this.look())
    if (redis.status === 'ready') void this.look()
  }

  /** Never fails: who may not ask, or gets no answer, does not know. */
  async look(): Promise<void> {
    try {
      this.known = /^master_replid:(\w+)/m.exec(await this.redis.info('replication'))?.[1]
    } catch {
      this.known = undefined
    }
  }
}
