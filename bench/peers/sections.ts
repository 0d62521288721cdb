import type { Redis } from 'ioredis'
import type { Wish } from './wish.ts'

/**
 * Tells the worker of a peer which sections there are: a stream of names, of which each server adds those that it
 * meets for the first time. The worker reads it from its start, so neither has to be there first.
 */
export class SectionAnnouncements {
  private readonly announced = new Map<string, Promise<unknown>>()
  private readonly redis: Redis
  private readonly key: string

  constructor(redis: Redis, key: string) {
    this.redis = redis
    this.key = key
  }

  /** Resolves when the worker can know of it. */
  async announce(section: string): Promise<void> {
    const known = this.announced.get(section)
    if (known !== undefined) {
      await known
      return
    }
    const announcing = this.redis.xadd(this.key, '*', 'section', section)
    this.announced.set(section, announcing)
    try {
      await announcing
    } catch (error) {
      this.announced.delete(section)
      throw error
    }
  }
}

export const announcementsKey = (keyPrefix: string, peer: string): string => `${keyPrefix}:${peer}:sections`

/** A section's name in Redis: no id has a dot. */
export const sectionName = ({ performanceId, sectionId }: Wish): string => `${performanceId}.${sectionId}`
