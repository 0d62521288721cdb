import type { Topology } from '../../shared/placement.ts'
import { redisKeys } from '../../shared/redis/keys.ts'
import type { Deployment } from './deployment.ts'

/** The id of each stream's oldest entry. */
const LOOK = `
local oldest = {}
for i, key in ipairs(KEYS) do
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  oldest[i] = first and first[1] or ''
end
return oldest`

const EVERY_MS = 10

/**
 * Watches the streams from outside: how long the same request is the oldest undecided one of its partition, up to its
 * outcome's being shown. That is how long the partition stood still, less the time until somebody asked something of it.
 * Nothing is read from ids: Redis' clock may have jumped.
 */
export class StreamWatch {
  private readonly deployment: Deployment
  private readonly streams: readonly string[]
  private longest: number[]
  private readonly oldest: { readonly id: string; readonly sinceMs: number }[] = []
  private isOn = true
  private readonly watching: Promise<void>

  constructor(deployment: Deployment, topology: Topology) {
    this.deployment = deployment
    const keys = redisKeys(deployment.keyPrefix, topology)
    const { shards, partitionsPerShard } = topology
    this.streams = Array.from({ length: shards * partitionsPerShard }, (_, i) =>
      keys.stream({ shard: Math.floor(i / partitionsPerShard), number: i % partitionsPerShard }),
    )
    this.longest = this.streams.map(() => 0)
    this.watching = this.watch()
  }

  /** The longest waits since this was last asked, in milliseconds, by partition. */
  longestMs(): readonly number[] {
    const { longest } = this
    this.longest = this.streams.map(() => 0)
    return longest
  }

  async end(): Promise<void> {
    this.isOn = false
    await this.watching
  }

  private async watch(): Promise<void> {
    while (this.isOn) {
      // A Redis that a test takes away has nothing to show.
      await this.look().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
  }

  private async look(): Promise<void> {
    const ids = (await this.deployment.redis.eval(LOOK, this.streams.length, ...this.streams)) as string[]
    const nowMs = performance.now()
    ids.forEach((id, i) => {
      const before = this.oldest[i]
      if (before?.id !== id) this.oldest[i] = { id, sinceMs: nowMs }
      else if (id !== '') this.longest[i] = Math.max(this.longest[i] ?? 0, nowMs - before.sinceMs)
    })
  }
}
