import type { Redis } from 'ioredis'
import { bookingSchema } from '../../shared/outcomes.ts'
import { shardOfSlot, slotOf, type Topology } from '../../shared/placement.ts'
import type { RedisKeys } from '../../shared/redis/keys.ts'
import type { Finding } from './findings.ts'

/** What MySQL says of a request: its status now, and the place of its newest decision. */
export interface StoredStatus {
  readonly status: string | undefined
  readonly sequence: number
  readonly sectionId: string
}

const PAGE = 500

/**
 * Compares what Redis shows with what was stored when the database was read. Redis may be newer (decided since) or may
 * have forgotten; showing something else about the same or an older decision is wrong.
 */
export async function compareRedis(
  redis: Redis,
  keys: RedisKeys,
  stored: ReadonlyMap<string, StoredStatus>,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const requests = [...stored]
  for (let from = 0; from < requests.length; from += PAGE) {
    const page = requests.slice(from, from + PAGE)
    const shown = await Promise.all(
      page.map(([requestId]) =>
        Promise.all([
          redis.hmget(keys.record(requestId), 'status', 'place'),
          redis.get(keys.outcome(requestId)),
        ]),
      ),
    )
    page.forEach(([requestId, truth], i) => {
      const [record = [], outcome = null] = shown[i] ?? []
      const detail = disagreement(truth, record, outcome)
      if (detail !== undefined) {
        findings.push({ kind: 'redis-differs', requestId, sectionId: truth.sectionId, detail })
      }
    })
  }
  return findings
}

function disagreement(
  truth: StoredStatus,
  [status, place]: readonly (string | null)[],
  outcome: string | null,
): string | undefined {
  // Not settled yet, or newer than what was read.
  if (!place || Number(place) > truth.sequence) return undefined
  if (truth.status !== undefined && status !== truth.status) {
    return `stored ${truth.status}, the record in Redis says ${status ?? 'nothing'}`
  }
  const shown = outcome === null ? undefined : statusOf(outcome)
  if (shown !== undefined && truth.status !== undefined && shown !== truth.status) {
    return `stored ${truth.status}, Redis shows ${shown}`
  }
  return undefined
}

function statusOf(outcome: string): string {
  return parseOutcome(outcome)?.status ?? 'something unreadable'
}

function parseOutcome(
  outcome: string,
): { status: string; performanceId: string; sectionId: string } | undefined {
  try {
    return bookingSchema.parse(JSON.parse(outcome))
  } catch {
    return undefined
  }
}

/** Outcomes that Redis shows of a performance although MySQL has no decision about their request. */
export async function findUnstored(
  redis: Redis,
  keys: RedisKeys,
  topology: Topology,
  performanceId: string,
  known: ReadonlyMap<string, unknown>,
  isStored: (requestId: string) => Promise<boolean>,
): Promise<Finding[]> {
  const slot = slotOf(performanceId)
  const prefix = keys.outcome(slot.toString(16).padStart(4, '0'))
  const findings: Finding[] = []
  if (shardOfSlot(topology, slot) >= topology.shards) return findings
  for await (const page of redis.scanStream({ match: `${globLiteral(prefix)}*`, count: 1_000 })) {
    for (const key of page as string[]) {
      const requestId = key.slice(key.lastIndexOf(':') + 1)
      const shown = known.has(requestId) ? undefined : parseOutcome((await redis.get(key)) ?? '')
      if (shown?.performanceId !== performanceId || shown.status === 'PENDING') continue
      // Decided since the database was read, perhaps.
      if (await isStored(requestId)) continue
      const detail = `Redis shows ${shown.status}, MySQL has no decision`
      findings.push({ kind: 'outcome-not-stored', requestId, sectionId: shown.sectionId, detail })
    }
  }
  return findings
}

/** Text that a Redis glob pattern takes literally. */
function globLiteral(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
