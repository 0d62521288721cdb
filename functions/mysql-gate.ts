import type { Knex } from 'knex'
import { FrontrowError } from '../shared/errors.ts'
import { errorFields, type Log } from '../shared/log.ts'
import { classifyMysqlError } from '../shared/mysql/errors.ts'

/** Asks MySQL and gives up in time, so that a MySQL that is away or hangs costs its callers no more than that. */
export interface MysqlGate {
  /** @throws FrontrowError MYSQL_UNAVAILABLE; whatever else `work` throws */
  ask<T>(work: (knex: Knex) => Promise<T>, limitMs?: number): Promise<T>
}

const ANSWER_WITHIN_MS = 1_500
/** Questions under way at once. What a hanging MySQL leaves behind must not fill our memory. */
const MAX_UNDER_WAY = 500

export function createMysqlGate(knex: Knex, log: Log): MysqlGate {
  let underWay = 0

  const run = async <T>(work: (knex: Knex) => Promise<T>): Promise<T> => {
    underWay++
    try {
      return await work(knex)
    } catch (error) {
      if (error instanceof FrontrowError || classifyMysqlError(error) !== 'retry') throw error
      // Said here: some callers go on without MySQL and would leave it unsaid.
      log.warn(errorFields(error), 'mysql')
      throw new FrontrowError('MYSQL_UNAVAILABLE', 'MySQL did not answer', { cause: error })
    } finally {
      underWay--
    }
  }

  return {
    async ask(work, limitMs = ANSWER_WITHIN_MS) {
      if (underWay >= MAX_UNDER_WAY) {
        throw new FrontrowError('MYSQL_UNAVAILABLE', `${MAX_UNDER_WAY} questions are waiting for MySQL`)
      }
      let timer: NodeJS.Timeout | undefined
      const tooLate = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          const error = new FrontrowError('MYSQL_UNAVAILABLE', `MySQL did not answer within ${limitMs} ms`)
          log.warn({ ...errorFields(error), underWay }, 'mysql')
          reject(error)
        }, limitMs)
      })
      try {
        return await Promise.race([run(work), tooLate])
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

export function isMysqlAway(error: unknown): boolean {
  return error instanceof FrontrowError && error.code === 'MYSQL_UNAVAILABLE'
}
