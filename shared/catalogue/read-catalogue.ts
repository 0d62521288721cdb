import type { Knex } from 'knex'
import { slotOf } from '../placement.ts'
import { inVersion } from './in-version.ts'

/** A performance as clients see it; instants in ISO 8601, UTC. */
export interface PerformanceSummary {
  readonly id: string
  readonly eventId: string
  readonly title: string
  readonly venue: string
  readonly startsAt: string
  readonly saleOpensAt?: string
  readonly saleClosesAt?: string
  readonly version: number
}

export interface PerformanceDetails extends PerformanceSummary {
  readonly sections: readonly {
    readonly id: string
    readonly name: string
    readonly kind: string
    readonly seats: number
  }[]
}

/** A section's seats as they stand: rows in their order, and in them the labels of the seats. */
export type SectionRows = readonly { readonly id: string; readonly seats: readonly string[] }[]

export interface SectionSeats {
  readonly performanceId: string
  readonly sectionId: string
  readonly version: number
  readonly rows: SectionRows
  readonly taken: readonly string[]
}

/** Reads the rows of a section in a version of its performance; undefined: it has no such section. */
export type ReadRows = (
  knex: Knex,
  performanceId: string,
  sectionId: string,
  version: number,
) => Promise<SectionRows | undefined>

interface SummaryRow {
  id: string
  eventId: string
  title: string
  venue: string
  version: number
  startsAtMs: number
  saleOpensAtMs: number | null
  saleClosesAtMs: number | null
}

const summaryColumns = {
  id: 'p.performance_id',
  eventId: 'p.event_id',
  title: 'e.title',
  venue: 'p.venue',
  version: 'p.version',
  startsAtMs: 'v.starts_at_ms',
  saleOpensAtMs: 'v.sale_opens_at_ms',
  saleClosesAtMs: 'v.sale_closes_at_ms',
}

function summaries(
  knex: Knex,
  performances: string | Knex.QueryBuilder = 'performances as p',
): Knex.QueryBuilder {
  return knex(performances)
    .join('events as e', 'e.event_id', 'p.event_id')
    .join('performance_versions as v', (join) =>
      join
        .on('v.slot', 'p.slot')
        .andOn('v.performance_id', 'p.performance_id')
        .andOn('v.version', 'p.version'),
    )
    .select(summaryColumns)
}

function summaryOf(row: SummaryRow): PerformanceSummary {
  const iso = (ms: number): string => new Date(ms).toISOString()
  return {
    id: row.id,
    eventId: row.eventId,
    title: row.title,
    venue: row.venue,
    startsAt: iso(row.startsAtMs),
    ...(row.saleOpensAtMs === null ? {} : { saleOpensAt: iso(row.saleOpensAtMs) }),
    ...(row.saleClosesAtMs === null ? {} : { saleClosesAt: iso(row.saleClosesAtMs) }),
    version: row.version,
  }
}

const keyOf = (performanceId: string): { slot: number; performance_id: string } => ({
  slot: slotOf(performanceId),
  performance_id: performanceId,
})

/**
 * A page of performances, in the order of their ids.
 *
 * @param page.limit performances of a page
 * @param page.after id of the last performance of the page before
 * @returns `next`: what to hand in as `after` for the next page; absent on the last
 */
export async function listPerformances(
  knex: Knex,
  page: { readonly limit: number; readonly after?: string | undefined },
): Promise<{ performances: PerformanceSummary[]; next?: string }> {
  // The page is cut before it is joined: else every performance may be joined and sorted for each page.
  const cut = knex('performances')
    .orderBy('performance_id')
    .limit(page.limit + 1)
    .modify((query) => {
      if (page.after !== undefined) void query.where('performance_id', '>', page.after)
    })
  const rows = (await summaries(knex, cut.as('p')).orderBy('p.performance_id')) as SummaryRow[]
  const performances = rows.slice(0, page.limit).map(summaryOf)
  const last = performances.at(-1)
  return rows.length > page.limit && last !== undefined ? { performances, next: last.id } : { performances }
}

export async function getPerformance(
  knex: Knex,
  performanceId: string,
): Promise<PerformanceDetails | undefined> {
  const [row] = (await summaries(knex).where({
    'p.slot': slotOf(performanceId),
    'p.performance_id': performanceId,
  })) as SummaryRow[]
  if (row === undefined) return undefined
  const sections = await knex('sections')
    .where(keyOf(performanceId))
    .modify(inVersion('sections', row.version))
    .orderBy('position')
    .select<{ id: string; name: string; kind: string }[]>('section_id as id', 'name', 'kind')
  const counts = await knex('seats')
    .where(keyOf(performanceId))
    .modify(inVersion('seats', row.version))
    .groupBy('section_id')
    .select('section_id')
    .count<{ section_id: string; seats: number }[]>({ seats: '*' })
  const seats = new Map(counts.map((count) => [count.section_id, count.seats]))
  return {
    ...summaryOf(row),
    sections: sections.map((section) => ({ ...section, seats: seats.get(section.id) ?? 0 })),
  }
}

/**
 * The layout of a section and its taken seats; undefined where there is no such section.
 *
 * @param rowsOf knows rows perhaps already: of one version they never change
 */
export async function getSectionSeats(
  knex: Knex,
  performanceId: string,
  sectionId: string,
  rowsOf: ReadRows = readRows,
): Promise<SectionSeats | undefined> {
  // One statement: the seats that are taken are those of this very version.
  const taken = await knex('performances as p')
    .leftJoin('booked_seats as b', (join) =>
      join
        .on('b.slot', 'p.slot')
        .andOn('b.performance_id', 'p.performance_id')
        .andOnVal('b.section_id', sectionId),
    )
    .where({ 'p.slot': slotOf(performanceId), 'p.performance_id': performanceId })
    .orderBy('b.seat_id')
    .select<{ version: number; seatId: string | null }[]>({ version: 'p.version', seatId: 'b.seat_id' })
  const version = taken[0]?.version
  if (version === undefined) return undefined
  const rows = await rowsOf(knex, performanceId, sectionId, version)
  if (rows === undefined) return undefined
  return {
    ...{ performanceId, sectionId, version, rows },
    taken: taken.flatMap(({ seatId }) => (seatId === null ? [] : [seatId])),
  }
}

export const readRows: ReadRows = async (knex, performanceId, sectionId, version) => {
  const section = { ...keyOf(performanceId), section_id: sectionId }
  const exists = (await knex('sections')
    .where(section)
    .modify(inVersion('sections', version))
    .first('section_id')) as unknown
  if (exists === undefined) return undefined
  const seats = await knex('seats')
    .where(section)
    .modify(inVersion('seats', version))
    .orderBy('position')
    .select<{ row_id: string; label: string }[]>('row_id', 'label')
  const rows = new Map<string, string[]>()
  for (const { row_id, label } of seats) {
    const row = rows.get(row_id)
    if (row) row.push(label)
    else rows.set(row_id, [label])
  }
  return [...rows].map(([id, labels]) => ({ id, seats: labels }))
}

/** When a performance starts and is on sale, in milliseconds; undefined where there is no such performance. */
export async function performanceTimes(
  knex: Knex,
  performanceId: string,
): Promise<
  { startsAtMs: number; saleOpensAtMs: number | undefined; saleClosesAtMs: number | undefined } | undefined
> {
  const [row] = (await summaries(knex).where({
    'p.slot': slotOf(performanceId),
    'p.performance_id': performanceId,
  })) as SummaryRow[]
  return (
    row && {
      startsAtMs: row.startsAtMs,
      saleOpensAtMs: row.saleOpensAtMs ?? undefined,
      saleClosesAtMs: row.saleClosesAtMs ?? undefined,
    }
  )
}
