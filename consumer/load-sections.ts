import type { Knex } from 'knex'
import { inVersion } from '../shared/catalogue/in-version.ts'
import { slotOf } from '../shared/placement.ts'
import type { LoadSections, SectionKey } from './section-memory.ts'
import { SeatHolders } from './seat-holders.ts'
import { SeatPlans } from './seat-plans.ts'
import { SectionState, type PerformanceTerms } from './section-state.ts'

interface TermsRow {
  performance_id: string
  version: number
  starts_at_ms: number
  sale_opens_at_ms: number | null
  sale_closes_at_ms: number | null
}

interface SeatRow {
  section_id: string
  seat_id: string
}

interface BookedRow extends SeatRow {
  request_id: string
}

/**
 * Reads sections with their seats and holders. Plain reads outside any transaction: what was read is checked
 * when it is used, by the epochs and versions that the commit compares. The version is read first, and the
 * layout is that version's, so that a catalogue change in between shows as a changed version.
 */
export function sectionLoader(knex: Knex): LoadSections {
  const plans = new SeatPlans()
  return async (keys) => {
    const byPerformance = new Map<string, SectionKey[]>()
    for (const key of keys) {
      const found = byPerformance.get(key.performanceId)
      if (found) found.push(key)
      else byPerformance.set(key.performanceId, [key])
    }
    const loaded = await Promise.all(
      [...byPerformance].map(([performanceId, wanted]) =>
        loadPerformance(
          knex,
          plans,
          performanceId,
          wanted.map((key) => key.sectionId),
        ),
      ),
    )
    return loaded.flat()
  }
}

async function loadPerformance(
  knex: Knex,
  plans: SeatPlans,
  performanceId: string,
  sectionIds: readonly string[],
): Promise<(SectionKey & { state: SectionState })[]> {
  const terms = await readTerms(knex, performanceId)
  const [existing, seats, booked] =
    terms === undefined
      ? [[], [], []]
      : await Promise.all([
          readSectionIds(knex, performanceId, sectionIds, terms.version),
          readSeats(knex, performanceId, sectionIds, terms.version),
          readBooked(knex, performanceId, sectionIds),
        ])
  const exist = new Set(existing)
  const seatIds = new Map(sectionIds.map((sectionId): [string, string[]] => [sectionId, []]))
  for (const seat of seats) seatIds.get(seat.section_id)?.push(seat.seat_id)
  const holders = new Map(
    Array.from(seatIds, ([sectionId, own]) => [sectionId, new SeatHolders(plans.of(own))]),
  )
  for (const { section_id, seat_id, request_id } of booked) {
    const section = holders.get(section_id)
    // Not where the layout has such a seat no more.
    if (section?.isFree(seat_id) !== undefined) section.set(seat_id, request_id)
  }
  return Array.from(holders, ([sectionId, own]) => ({
    performanceId,
    sectionId,
    state: new SectionState({ terms, exists: exist.has(sectionId), holders: own }),
  }))
}

async function readTerms(knex: Knex, performanceId: string): Promise<PerformanceTerms | undefined> {
  const row = await knex('performances as p')
    .join('performance_versions as v', (join) =>
      join
        .on('v.slot', 'p.slot')
        .andOn('v.performance_id', 'p.performance_id')
        .andOn('v.version', 'p.version'),
    )
    .where({ 'p.slot': slotOf(performanceId), 'p.performance_id': performanceId })
    .first<TermsRow | undefined>(
      'p.performance_id',
      'p.version',
      'v.starts_at_ms',
      'v.sale_opens_at_ms',
      'v.sale_closes_at_ms',
    )
  return (
    row && {
      version: row.version,
      startsAtMs: row.starts_at_ms,
      saleOpensAtMs: row.sale_opens_at_ms ?? undefined,
      saleClosesAtMs: row.sale_closes_at_ms ?? undefined,
    }
  )
}

async function readSectionIds(
  knex: Knex,
  performanceId: string,
  sectionIds: readonly string[],
  version: number,
): Promise<string[]> {
  return (await knex('sections')
    .where({ slot: slotOf(performanceId), performance_id: performanceId })
    .whereIn('section_id', sectionIds)
    .modify(inVersion('sections', version))
    .pluck('section_id')) as string[]
}

async function readSeats(
  knex: Knex,
  performanceId: string,
  sectionIds: readonly string[],
  version: number,
): Promise<SeatRow[]> {
  return knex('seats')
    .where({ slot: slotOf(performanceId), performance_id: performanceId })
    .whereIn('section_id', sectionIds)
    .modify(inVersion('seats', version))
    .select<SeatRow[]>('section_id', 'seat_id')
}

/** By itself, because joined to the seats it takes MySQL twice as long, of a hall of which nothing is sold yet. */
async function readBooked(
  knex: Knex,
  performanceId: string,
  sectionIds: readonly string[],
): Promise<BookedRow[]> {
  return knex('booked_seats')
    .where({ slot: slotOf(performanceId), performance_id: performanceId })
    .whereIn('section_id', sectionIds)
    .select<BookedRow[]>('section_id', 'seat_id', 'request_id')
}
