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
