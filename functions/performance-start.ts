import { LRUCache } from 'lru-cache'
import { performanceTimes } from '../shared/catalogue/read-catalogue.ts'
import { isMysqlAway } from './mysql-gate.ts'
import type { Ports } from './ports.ts'

/** When a performance begins changes hardly ever; the consumer reads it anew with each version anyway. */
const KNOWN_FOR_MS = 5_000
const KNOWN_PERFORMANCES = 1_000

interface Known {
  readonly startsAtMs: number | undefined
  readonly readAtMs: number
}

/** When a performance begins; undefined if it is not known or MySQL is away. */
export type PerformanceStart = (performanceId: string) => Promise<number | undefined>

export function createPerformanceStart(ports: Pick<Ports, 'mysql' | 'clock'>): PerformanceStart {
  const known = new LRUCache<string, Known>({ max: KNOWN_PERFORMANCES })
  return async (performanceId) => {
    const readAtMs = ports.clock.nowMs()
    const before = known.get(performanceId)
    if (before !== undefined && Math.abs(readAtMs - before.readAtMs) < KNOWN_FOR_MS) return before.startsAtMs
    try {
      const times = await ports.mysql.ask((knex) => performanceTimes(knex, performanceId))
      known.set(performanceId, { startsAtMs: times?.startsAtMs, readAtMs })
      return times?.startsAtMs
    } catch (error) {
      if (isMysqlAway(error)) return undefined
      throw error
    }
  }
}
