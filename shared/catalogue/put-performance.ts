import type { Knex } from 'knex'
import { FrontrowError } from '../errors.ts'
import { rowList } from '../mysql/rows.ts'
import { slotOf } from '../placement.ts'
import { inVersion } from './in-version.ts'
import {
  changeOf,
  isEmpty,
  layoutOf,
  vanishedSeats,
  type LayoutChange,
  type SeatRow,
  type SectionRow,
  type Since,
} from './layout.ts'
import type { PerformanceDefinition } from './performance-schema.ts'

export type PutResult =
  | { readonly kind: 'created' | 'updated' | 'unchanged'; readonly version: number }
  /** Seats that the new definition leaves out are sold; the first hundred of them. Nothing was changed. */
  | { readonly kind: 'seats-sold'; readonly seats: readonly { sectionId: string; seatId: string }[] }

interface Stored {
  readonly version: number
  readonly eventId: string
  readonly title: string
  readonly venue: string
  readonly startsAtMs: number
  readonly saleOpensAtMs: number | null
  readonly saleClosesAtMs: number | null
  readonly sections: readonly Since<SectionRow>[]
  readonly seats: readonly Since<SeatRow>[]
}

/** Another PUT of the same performance was faster: begin again with what it left. */
class Overtaken extends Error {}

class SeatsSold extends Error {
  readonly seats: { sectionId: string; seatId: string }[]
  constructor(seats: { sectionId: string; seatId: string }[]) {
    super('seats are sold')
    this.seats = seats
  }
}

const ATTEMPTS = 5
const ROWS_PER_STATEMENT = 1_000
const MAX_SOLD_LISTED = 100

/**
 * Creates or replaces a performance's definition. What it adds is written first, under a version that nobody looks
 * at yet; the performance's own row, which every batch of bookings holds while it commits, is locked at the very end
 * and for one statement only.
 *
 * @throws FrontrowError CATALOGUE_CONFLICT if others keep changing the same performance; errors of the database
 */
export async function putPerformance(
  knex: Knex,
  performanceId: string,
  definition: PerformanceDefinition,
): Promise<PutResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await knex.transaction((trx) => putOnce(trx, performanceId, definition))
    } catch (error) {
      if (error instanceof SeatsSold) return { kind: 'seats-sold', seats: error.seats }
      if (!isOvertaken(error)) throw error
      if (attempt === ATTEMPTS) {
        throw new FrontrowError('CATALOGUE_CONFLICT', 'the performance is being changed by others', {
          cause: error,
        })
      }
    }
  }
}

/** The key of the version row lets one of two concurrent changes through; deadlocks come to the same. */
function isOvertaken(error: unknown): boolean {
  const { errno } = error as { errno?: unknown }
  return error instanceof Overtaken || errno === 1062 || errno === 1213 || errno === 1205 || errno === 1020
}

async function putOnce(
  trx: Knex.Transaction,
  performanceId: string,
  definition: PerformanceDefinition,
): Promise<PutResult> {
  const key = { slot: slotOf(performanceId), performance_id: performanceId }
  const stored = await readStored(trx, key)
  const change = changeOf(stored ?? { sections: [], seats: [] }, layoutOf(definition))
  const eventId = definition.eventId ?? performanceId
  if (stored !== undefined && isEmpty(change) && sameTerms(stored, definition, eventId)) {
    return { kind: 'unchanged', version: stored.version }
  }
  const version = (stored?.version ?? 0) + 1
  await trx('performance_versions').insert({
    ...key,
    version,
    starts_at_ms: definition.startsAt,
    sale_opens_at_ms: definition.saleOpensAt ?? null,
    sale_closes_at_ms: definition.saleClosesAt ?? null,
  })
  await writeChange(trx, key, change, version)
  await trx('events')
    .insert({ event_id: eventId, title: definition.title })
    .onConflict('event_id')
    .merge(['title'])
  await putInForce(trx, key, stored?.version, change, { event_id: eventId, venue: definition.venue, version })
  return { kind: stored === undefined ? 'created' : 'updated', version }
}

interface PerformanceKey {
  readonly slot: number
  readonly performance_id: string
}

async function readStored(trx: Knex.Transaction, key: PerformanceKey): Promise<Stored | undefined> {
  const row = await trx('performances as p')
    .join('events as e', 'e.event_id', 'p.event_id')
    .join('performance_versions as v', (join) =>
      join
        .on('v.slot', 'p.slot')
        .andOn('v.performance_id', 'p.performance_id')
        .andOn('v.version', 'p.version'),
    )
    .where({ 'p.slot': key.slot, 'p.performance_id': key.performance_id })
    .first<Omit<Stored, 'sections' | 'seats'> | undefined>({
      version: 'p.version',
      eventId: 'p.event_id',
      title: 'e.title',
      venue: 'p.venue',
      startsAtMs: 'v.starts_at_ms',
      saleOpensAtMs: 'v.sale_opens_at_ms',
      saleClosesAtMs: 'v.sale_closes_at_ms',
    })
  if (row === undefined) return undefined
  // Of that version, even if a newer one comes into force between these statements: a mixture of two could
  // pass for "unchanged". What is written on top of an old version is refused by the version's key.
  const sections = await trx('sections')
    .where(key)
    .modify(inVersion('sections', row.version))
    .select<Since<SectionRow>[]>({
      sectionId: 'section_id',
      name: 'name',
      position: 'position',
      fromVersion: 'from_version',
    })
  const seats = await trx('seats')
    .where(key)
    .modify(inVersion('seats', row.version))
    .select<Since<SeatRow>[]>({
      sectionId: 'section_id',
      seatId: 'seat_id',
      rowId: 'row_id',
      label: 'label',
      position: 'position',
      fromVersion: 'from_version',
    })
  return { ...row, sections, seats }
}

function sameTerms(stored: Stored, definition: PerformanceDefinition, eventId: string): boolean {
  return (
    stored.eventId === eventId &&
    stored.title === definition.title &&
    stored.venue === definition.venue &&
    stored.startsAtMs === definition.startsAt &&
    stored.saleOpensAtMs === (definition.saleOpensAt ?? null) &&
    stored.saleClosesAtMs === (definition.saleClosesAt ?? null)
  )
}

async function writeChange(
  trx: Knex.Transaction,
  key: PerformanceKey,
  change: LayoutChange,
  version: number,
): Promise<void> {
  await endRows(trx, 'sections', ['section_id'], key, version, change.removedSections, ({ sectionId }) => [
    sectionId,
  ])
  await endRows(trx, 'seats', ['section_id', 'seat_id'], key, version, change.removedSeats, (seat) => [
    seat.sectionId,
    seat.seatId,
  ])
  const sections = change.addedSections.map(({ sectionId, name, position }) => ({
    ...key,
    section_id: sectionId,
    from_version: version,
    name,
    position,
  }))
  const seats = change.addedSeats.map(({ sectionId, seatId, rowId, label, position }) => ({
    ...key,
    section_id: sectionId,
    seat_id: seatId,
    from_version: version,
    row_id: rowId,
    label,
    position,
  }))
  if (sections.length > 0) await trx('sections').insert(sections)
  for (let from = 0; from < seats.length; from += ROWS_PER_STATEMENT) {
    await trx('seats').insert(seats.slice(from, from + ROWS_PER_STATEMENT))
  }
}

/** Marks rows as gone from a version on. */
async function endRows<T>(
  trx: Knex.Transaction,
  table: 'sections' | 'seats',
  columns: readonly string[],
  key: PerformanceKey,
  version: number,
  rows: readonly Since<T>[],
  valuesOf: (row: Since<T>) => readonly string[],
): Promise<void> {
  const on = [...columns, 'from_version'].map((column) => `t.${column} = w.${column}`).join(' AND ')
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    const list = rowList(
      [...columns, 'from_version'],
      rows.slice(from, from + ROWS_PER_STATEMENT).map((row) => [...valuesOf(row), row.fromVersion]),
    )
    await trx.raw(
      `UPDATE ${list.sql} AS w STRAIGHT_JOIN ${table} AS t FORCE INDEX (PRIMARY)
         ON t.slot = ? AND t.performance_id = ? AND ${on}
       SET t.to_version = ?`,
      [...list.bindings, key.slot, key.performance_id, version],
    )
  }
}

/**
 * The moment of change. Once the performance's row is locked no batch about it is in flight, and none can commit
 * under the old version afterwards: what is not sold now cannot be sold any more.
 */
async function putInForce(
  trx: Knex.Transaction,
  key: PerformanceKey,
  expectedVersion: number | undefined,
  change: LayoutChange,
  row: { event_id: string; venue: string; version: number },
): Promise<void> {
  const locked = await trx('performances')
    .where(key)
    .forUpdate()
    .first<{ version: number } | undefined>('version')
  if (locked?.version !== expectedVersion) throw new Overtaken()
  const sold = await findSold(trx, key, vanishedSeats(change))
  if (sold.length > 0) throw new SeatsSold(sold)
  if (locked === undefined) await trx('performances').insert({ ...key, ...row })
  else await trx('performances').where(key).update(row)
}

async function findSold(
  trx: Knex.Transaction,
  key: PerformanceKey,
  seats: readonly SeatRow[],
): Promise<{ sectionId: string; seatId: string }[]> {
  const sold: { sectionId: string; seatId: string }[] = []
  for (let from = 0; from < seats.length && sold.length < MAX_SOLD_LISTED; from += ROWS_PER_STATEMENT) {
    const list = rowList(
      ['section_id', 'seat_id'],
      seats.slice(from, from + ROWS_PER_STATEMENT).map(({ sectionId, seatId }) => [sectionId, seatId]),
    )
    const [rows] = (await trx.raw(
      `SELECT b.section_id AS sectionId, b.seat_id AS seatId
         FROM ${list.sql} AS w STRAIGHT_JOIN booked_seats AS b FORCE INDEX (PRIMARY)
           ON b.slot = ? AND b.performance_id = ? AND b.section_id = w.section_id AND b.seat_id = w.seat_id`,
      [...list.bindings, key.slot, key.performance_id],
    )) as [{ sectionId: string; seatId: string }[]]
    sold.push(...rows.map(({ sectionId, seatId }) => ({ sectionId, seatId })))
  }
  return sold.slice(0, MAX_SOLD_LISTED)
}
