import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { FunctionConfig } from '../../shared/config.ts'
import { errorFields, type Log } from '../../shared/log.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { connectRedis } from '../../shared/redis/connect.ts'

/** A platform's ways to Redis and MySQL. */
export interface Connections {
  /** A client of the role `accept`. */
  readonly redis: Redis
  readonly knex: Knex
  /** Does not throw: who closes has been answered. */
  close(): Promise<void>
}

interface Needs {
  readonly config: FunctionConfig
  readonly log: Log
}

/** @throws if a certificate file cannot be read */
export function connect(
  { config, log }: Needs,
  mysqlConnections: number,
  driver?: Parameters<typeof connectMysql>[3],
): Connections {
  const redis = connectRedis(config.redis, 'accept', (error) => {
    log.warn(errorFields(error), 'redis')
  })
  const knex = connectMysql(config.mysql, 'read', mysqlConnections, driver)
  return {
    redis,
    knex,
    async close() {
      redis.disconnect()
      try {
        await knex.destroy()
      } catch (error) {
        log.warn(errorFields(error), 'mysql')
      }
    },
  }
}
