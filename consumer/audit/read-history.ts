import type { Knex } from 'knex'
import type { DecidedStatus, ReasonCode } from '../../shared/outcomes.ts'
import {
  firstSequence,
  firstSlotOfShard,
  partitionOf,
  slotOf,
  type Topology,
} from '../../shared/placement.ts'
import type { PerformanceTerms } from '../section-state.ts'
import type { Finding } from './findings.ts'
import type { SectionVersion, StoredDecision } from './replay.ts'

interface DecisionRow {
  request_id: string
  command: 'book' | 'cancel'
  customer_id: string
  performance_id: string
  section_id: string
  seat_ids: string
  status: DecidedStatus | null
  reason: ReasonCode | null
  reason_seat_ids: string | null
  performance_version: number
  sequence: number
  epoch: number
  requested_at_us: number
}

const seatList = (text: string | null): string[] => (text === null || text === '' ? [] : text.split(','))

/** Sections that were ever booked in, or that the catalogue ever had. */
export async function readSectionIds(trx: Knex, performanceId: string): Promise<string[]> {
  const where = { slot: slotOf(performanceId), performance_id: performanceId }
  const lists = (await Promise.all(
    ['decisions', 'booked_seats', 'sections'].map((table) =>
      trx(table).where(where).distinct().pluck('section_id'),
    ),
  )) as string[][]
  return [...new Set(lists.flat())].sort()
}

export async function readDecisions(
  trx: Knex,
  performanceId: string,
  sectionId: string,
): Promise<StoredDecision[]> {
  const rows = await trx<DecisionRow>('decisions')
    .where({ slot: slotOf(performanceId), performance_id: performanceId, section_id: sectionId } as never)
    .orderBy('sequence')
  return rows.map((row) => ({
    requestId: row.request_id,
    command: row.command,
    customerId: row.customer_id,
    performanceId: row.performance_id,
    sectionId: row.section_id,
    seatIds: seatList(row.seat_ids),
    status: row.status ?? undefined,
    reason: row.reason ?? undefined,
    reasonSeatIds: seatList(row.reason_seat_ids),
    performanceVersion: row.performance_version,
    sequence: row.sequence,
    epoch: row.epoch,
    requestedAtUs: row.requested_at_us,
  }))
}

/** Seats that are stored as taken: seat id to request id. */
export async function readBookedSeats(
  trx: Knex,
  performanceId: string,
  sectionId: string,
): Promise<Map<string, string>> {
  const rows = await trx('booked_seats')
    .where({ slot: slotOf(performanceId), performance_id: performanceId, section_id: sectionId })
    .select<{ seat_id: string; request_id: string }[]>('seat_id', 'request_id')
  return new Map(rows.map((row) => [row.seat_id, row.request_id]))
}

export async function readDeadLetters(trx: Knex, performanceId: string): Promise<Set<string>> {
  const requestIds = (await trx('dead_letters')
    .where({ slot: slotOf(performanceId) })
    .whereNotNull('request_id')
    .pluck('request_id')) as string[]
  return new Set(requestIds)
}

interface VersionRow {
  version: number
  starts_at_ms: number
  sale_opens_at_ms: number | null
  sale_closes_at_ms: number | null
}

/** Every version's terms, oldest first. */
export async function readTerms(trx: Knex, performanceId: string): Promise<PerformanceTerms[]> {
  const rows = (await trx('performance_versions')
    .where({ slot: slotOf(performanceId), performance_id: performanceId })
    .orderBy('version')) as VersionRow[]
  return rows.map((row) => ({
    version: row.version,
    startsAtMs: row.starts_at_ms,
    saleOpensAtMs: row.sale_opens_at_ms ?? undefined,
    saleClosesAtMs: row.sale_closes_at_ms ?? undefined,
  }))
}

interface Lifetime {
  from_version: number
  to_version: number | null
}

/** A section as each version of the catalogue had it. */
export async function readSectionVersions(
  trx: Knex,
  performanceId: string,
  sectionId: string,
  terms: readonly PerformanceTerms[],
): Promise<Map<number, SectionVersion>> {
  const where = { slot: slotOf(performanceId), performance_id: performanceId, section_id: sectionId }
  const sections = (await trx('sections').where(where)) as Lifetime[]
  const seats = (await trx('seats').where(where)) as (Lifetime & { seat_id: string })[]
  const alive =
    (version: number) =>
    ({ from_version, to_version }: Lifetime): boolean =>
      from_version <= version && (to_version === null || to_version > version)
  return new Map(
    terms.map((each) => [
      each.version,
      {
        terms: each,
        exists: sections.some(alive(each.version)),
        seatIds: seats.filter(alive(each.version)).map((seat) => seat.seat_id),
      },
    ]),
  )
}

interface Counted {
  places: number
  decisions: number
  newest: number | null
}

/** Whether the sequences of the partitions that decide these sections are whole. */
export async function checkSequences(
  trx: Knex,
  topology: Topology,
  performanceId: string,
  sectionIds: readonly string[],
): Promise<Finding[]> {
  const base = firstSequence(topology.version)
  const numbers = new Set(
    sectionIds.map((sectionId) => partitionOf(topology, performanceId, sectionId).number),
  )
  const { shard } = partitionOf(topology, performanceId, '')
  const findings: Finding[] = []
  for (const number of numbers) {
    const partition = await trx('partitions')
      .where({ slot: firstSlotOfShard(topology, shard), topology_version: topology.version, number })
      .first<{ sequence: number } | undefined>('sequence')
    const [counted] = await trx('decisions')
      .where({ shard, partition_number: number })
      .andWhere('sequence', '>', base)
      .select<Counted[]>(
        trx.raw('COUNT(DISTINCT sequence) AS places, COUNT(*) AS decisions, MAX(sequence) AS newest'),
      )
    const newest = counted?.newest ?? base
    const expected = partition?.sequence ?? base
    if (newest !== expected || counted?.places !== newest - base || counted.places !== counted.decisions) {
      const found = `${counted?.decisions ?? 0} decisions in ${counted?.places ?? 0} places up to ${newest - base}`
      const detail = `partition ${shard}/${number} is at ${expected - base}; found ${found}`
      findings.push({ kind: 'sequence-broken', detail })
    }
  }
  return findings
}
