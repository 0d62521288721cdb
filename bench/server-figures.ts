import type { Redis } from 'ioredis'

/** Bytes of Redis' data. */
export async function redisBytes(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1] ?? 0)
}

/** What one outcome takes in Redis, its key included. */
export async function outcomeBytes(redis: Redis): Promise<number> {
  for await (const keys of redis.scanStream({ match: 'frontrow{*}o:*', count: 1_000 })) {
    const [key] = keys as string[]
    if (key !== undefined) return (await redis.memory('USAGE', key)) ?? 0
  }
  return 0
}

/** A consumer's own view of its transactions so far. */
export async function transactionFigures(port: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const figure = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? 0)
  const transactions = figure('frontrow_commit_seconds_count')
  return {
    transactions,
    transactionMs: (figure('frontrow_commit_seconds_sum') / Math.max(1, transactions)) * 1_000,
    entriesEach: figure('frontrow_batch_entries_sum') / Math.max(1, figure('frontrow_batch_entries_count')),
  }
}

/** Milliseconds; shorter ones are not noted. */
const LONG_SYNC_MS = '5'

/**
 * Has Redis time its own syncs to disk: each holds up all accepts and outcomes. What comes of a disk that others use too can
 * be told from what comes of us.
 *
 * @returns the longest since then, in ms; nothing where Redis may not be asked
 */
export async function watchSyncs(redis: Redis): Promise<() => Promise<{ readonly longestSyncMs?: number }>> {
  try {
    await redis.config('SET', 'latency-monitor-threshold', LONG_SYNC_MS)
    await redis.latency('RESET')
  } catch {
    return () => Promise.resolve({})
  }
  return async () => {
    const events = (await redis.latency('LATEST')) as [
      event: string,
      at: number,
      last: number,
      longest: number,
    ][]
    return { longestSyncMs: events.find(([event]) => event === 'aof-fsync-always')?.[3] ?? 0 }
  }
}
