import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import { FrontrowError } from '../../shared/errors.ts'
import { slotOf } from '../../shared/placement.ts'
import { redisKeys } from '../../shared/redis/keys.ts'
import { readTopology } from '../../shared/topology.ts'
import { compareRedis, findUnstored, type StoredStatus } from './compare-redis.ts'
import type { Finding } from './findings.ts'
import {
  checkSequences,
  readBookedSeats,
  readDeadLetters,
  readDecisions,
  readSectionIds,
  readSectionVersions,
  readTerms,
} from './read-history.ts'
import { compareSeats, replaySection } from './replay.ts'

export interface AuditReport {
  readonly performanceId: string
  readonly sections: number
  readonly decisions: number
  /** Seats that are taken, by the decisions. */
  readonly seatsTaken: number
  readonly findings: readonly Finding[]
}

/**
 * Checks everything that was ever decided about a performance: decides it again in its stored order, and compares the
 * result with the decisions, the seats and Redis. MySQL is read in one snapshot, so a running system may be audited.
 *
 * @throws FrontrowError TOPOLOGY_UNKNOWN on a database that nothing was ever decided in
 */
export async function auditPerformance(
  knex: Knex,
  redis: Redis,
  keyPrefix: string,
  performanceId: string,
): Promise<AuditReport> {
  const topology = await readTopology(knex)
  if (topology === undefined) throw new FrontrowError('TOPOLOGY_UNKNOWN', 'this database has no topology yet')
  const stored = new Map<string, StoredStatus>()
  const findings: Finding[] = []
  const counts = { sections: 0, decisions: 0, seatsTaken: 0 }

  await knex.transaction(
    async (trx) => {
      const terms = await readTerms(trx, performanceId)
      const deadLetters = await readDeadLetters(trx, performanceId)
      const sectionIds = await readSectionIds(trx, performanceId)
      for (const sectionId of sectionIds) {
        const decisions = await readDecisions(trx, performanceId, sectionId)
        const versions = await readSectionVersions(trx, performanceId, sectionId, terms)
        const { findings: replayed, held } = replaySection({ sectionId, decisions, versions, deadLetters })
        const current = versions.get(terms.at(-1)?.version ?? 0)
        const rows = await readBookedSeats(trx, performanceId, sectionId)
        findings.push(...replayed, ...compareSeats(sectionId, held, rows, new Set(current?.seatIds)))
        for (const decision of decisions) noteStatus(stored, decision)
        counts.sections += 1
        counts.decisions += decisions.length
        counts.seatsTaken += held.size
      }
      findings.push(...(await checkSequences(trx, topology, performanceId, sectionIds)))
    },
    { isolationLevel: 'repeatable read' },
  )

  const keys = redisKeys(keyPrefix, topology)
  findings.push(...(await compareRedis(redis, keys, stored)))
  const isStored = async (requestId: string): Promise<boolean> => {
    const where = { slot: slotOf(performanceId), request_id: requestId }
    const rows = await Promise.all(
      ['decisions', 'dead_letters'].map((table) => knex(table).where(where).first('slot')),
    )
    return rows.some((row) => row !== undefined)
  }
  findings.push(...(await findUnstored(redis, keys, topology, performanceId, stored, isStored)))
  return { performanceId, ...counts, findings }
}

/** Decisions come in their order: a later one that gives a status overrides an earlier one. */
function noteStatus(
  stored: Map<string, StoredStatus>,
  decision: { requestId: string; status: string | undefined; sequence: number; sectionId: string },
): void {
  const { requestId, sequence, sectionId } = decision
  const status = decision.status ?? stored.get(requestId)?.status
  stored.set(requestId, { status, sequence, sectionId })
}
