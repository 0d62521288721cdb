import { cpus } from 'node:os'
import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { durabilityGaps } from '../shared/durability.ts'
import type { Head } from './report/render-table.ts'

/** @throws Error if the servers promise less than the figures claim: a faster row would be a weaker promise */
export async function readHead(redis: Redis, knex: Knex, command: string): Promise<Head> {
  const gaps = await durabilityGaps(redis, knex)
  if (gaps.length > 0) throw new Error(`This would be no benchmark: ${gaps.join('; ')}.`)
  const redisVersion = /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'unknown'
  const [[mysql]] = (await knex.raw(
    `SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush_log, @@log_bin AS log_bin,
       @@sync_binlog AS sync_binlog`,
  )) as [{ version: string; flush_log: number; log_bin: number; sync_binlog: number }[]]
  const [processor] = cpus()
  return {
    date: new Date().toISOString(),
    command,
    cores: cpus().length,
    processor: processor?.model ?? 'unknown',
    versions: { node: process.versions.node, redis: redisVersion, mysql: mysql?.version ?? 'unknown' },
    durability: {
      appendonly: await setting(redis, 'appendonly'),
      appendfsync: await setting(redis, 'appendfsync'),
      innodb_flush_log_at_trx_commit: String(mysql?.flush_log),
      log_bin: String(mysql?.log_bin),
      sync_binlog: String(mysql?.sync_binlog),
    },
  }
}

async function setting(redis: Redis, name: string): Promise<string> {
  const answer = await redis.config('GET', name)
  return Array.isArray(answer) ? String(answer[1]) : 'unknown'
}
