import type { Redis } from 'ioredis'
import type { Knex } from 'knex'

/**
 * What of the servers' settings is weaker than the promises assume, in one sentence each; empty if all is well.
 * What a managed server does not let us read is said too.
 */
export async function durabilityGaps(redis: Redis, knex: Knex): Promise<string[]> {
  return [...(await redisGaps(redis)), ...(await mysqlGaps(knex))]
}

const redisWants: readonly (readonly [setting: string, value: string, otherwise: string])[] = [
  ['appendonly', 'yes', 'accepted requests do not outlive a restart of Redis'],
  ['appendfsync', 'always', 'a crash of the Redis machine can lose requests that were accepted'],
  ['maxmemory-policy', 'noeviction', 'Redis may forget accepted requests when memory is short'],
]

async function redisGaps(redis: Redis): Promise<string[]> {
  const gaps: string[] = []
  for (const [setting, wanted, otherwise] of redisWants) {
    const found = await redis.config('GET', setting).catch(() => undefined)
    const value = Array.isArray(found) ? String(found[1]) : undefined
    if (value === undefined) gaps.push(`Redis does not let us read ${setting} (needed: ${wanted})`)
    else if (value !== wanted) gaps.push(`Redis has ${setting} ${value}, not ${wanted}: ${otherwise}`)
  }
  return gaps
}

async function mysqlGaps(knex: Knex): Promise<string[]> {
  const [rows] = (await knex.raw(
    'SELECT @@innodb_flush_log_at_trx_commit AS flush_log, @@log_bin AS log_bin, @@sync_binlog AS sync_binlog',
  )) as [{ flush_log: number; log_bin: number; sync_binlog: number }[]]
  const [found] = rows
  const gaps: string[] = []
  if (found?.flush_log !== 1) {
    gaps.push('MySQL has innodb_flush_log_at_trx_commit other than 1: a crash can lose outcomes')
  }
  if (found?.log_bin === 1 && found.sync_binlog !== 1) {
    gaps.push('MySQL has sync_binlog other than 1: a crash can lose outcomes on its replicas')
  }
  return gaps
}
