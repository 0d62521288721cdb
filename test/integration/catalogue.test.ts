import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { putPerformance, type PutResult } from '../../shared/catalogue/put-performance.ts'
import {
  getPerformance,
  getSectionSeats,
  listPerformances,
  performanceTimes,
} from '../../shared/catalogue/read-catalogue.ts'
import { slotOf } from '../../shared/placement.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'

let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
})

afterAll(async () => {
  await database.drop()
})

type Rows = Readonly<Record<string, number | readonly string[]>>

const body = { title: 'Hamlet', venue: 'Opera House', startsAt: '2027-01-01T19:00:00Z' }

const sectionsOf = (sections: Readonly<Record<string, Rows>>): object[] =>
  Object.entries(sections).map(([id, rows]) => ({
    id,
    name: `Section ${id}`,
    rows: Object.entries(rows).map(([rowId, seats]) => ({ id: rowId, seats })),
  }))

function put(id: string, sections: Readonly<Record<string, Rows>>, terms: object = {}): Promise<PutResult> {
  const definition = { ...body, ...terms, sections: sectionsOf(sections) }
  return putPerformance(database.knex, id, performanceDefinitionSchema.parse(definition))
}

const keyOf = (id: string): { slot: number; performance_id: string } => ({
  slot: slotOf(id),
  performance_id: id,
})

const seatRow = (id: string, sectionId: string, seatId: string): Record<string, string | number> => ({
  ...keyOf(id),
  section_id: sectionId,
  seat_id: seatId,
})

async function sell(id: string, sectionId: string, seatId: string): Promise<void> {
  await database.knex('booked_seats').insert({ ...seatRow(id, sectionId, seatId), request_id: 'r' })
}

/** What the tables hold of a seat, oldest first: from which version on it was there, and until which. */
async function historyOf(id: string, sectionId: string, seatId: string): Promise<(number | null)[][]> {
  const rows = await database
    .knex('seats')
    .where(seatRow(id, sectionId, seatId))
    .orderBy('from_version')
    .select<{ from: number; to: number | null }[]>({ from: 'from_version', to: 'to_version' })
  return rows.map(({ from, to }) => [from, to])
}

async function versionsOf(id: string): Promise<number[]> {
  const rows: unknown = await database
    .knex('performance_versions')
    .where(keyOf(id))
    .orderBy('version')
    .pluck('version')
  return rows as number[]
}

describe('a new performance', () => {
  it('can be read as it was put', async () => {
    const sale = { saleOpensAt: '2026-12-01T11:00:00+01:00', saleClosesAt: '2027-01-01T18:00:00Z' }
    const rows = { B: { '1': 2, '10': ['left', 'right'], '2': 1 }, A: { '1': 30 } }
    expect(await put('new', rows, { ...sale, eventId: 'hamlet' })).toEqual({ kind: 'created', version: 1 })

    const read = await getPerformance(database.knex, 'new')
    expect(read).toMatchObject({
      id: 'new',
      eventId: 'hamlet',
      title: 'Hamlet',
      venue: 'Opera House',
      version: 1,
    })
    expect(Date.parse(read?.startsAt ?? '')).toBe(Date.UTC(2027, 0, 1, 19))
    expect(read?.sections).toEqual([
      { id: 'B', name: 'Section B', kind: 'SEATED', seats: 5 },
      { id: 'A', name: 'Section A', kind: 'SEATED', seats: 30 },
    ])
    expect(await performanceTimes(database.knex, 'new')).toEqual({
      startsAtMs: Date.UTC(2027, 0, 1, 19),
      saleOpensAtMs: Date.UTC(2026, 11, 1, 10),
      saleClosesAtMs: Date.UTC(2027, 0, 1, 18),
    })
  })

  it('shows the layout of a section in its order, and the seats that are taken', async () => {
    await put('layout', { A: { b: ['2', '10', '1'], a: 2 } })
    await sell('layout', 'A', 'b-10')
    expect(await getSectionSeats(database.knex, 'layout', 'A')).toEqual({
      performanceId: 'layout',
      sectionId: 'A',
      version: 1,
      rows: [
        { id: 'b', seats: ['2', '10', '1'] },
        { id: 'a', seats: ['1', '2'] },
      ],
      taken: ['b-10'],
    })
  })

  it('keeps ids apart that differ by case only', async () => {
    await put('Case', { A: { r: 2 }, a: { R: 1, r: 1 } }, { title: 'Capital' })
    await put('case', { A: { r: 1 } }, { title: 'Small' })
    expect(await getPerformance(database.knex, 'Case')).toMatchObject({ title: 'Capital', version: 1 })
    expect(await getPerformance(database.knex, 'case')).toMatchObject({ title: 'Small', version: 1 })
    expect((await getSectionSeats(database.knex, 'Case', 'a'))?.rows.map(({ id }) => id)).toEqual(['R', 'r'])
    expect(await getPerformance(database.knex, 'CASE')).toBeUndefined()
    expect(await getSectionSeats(database.knex, 'case', 'a')).toBeUndefined()
  })

  it('of 15,000 seats takes seconds at most', async () => {
    const arena = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`S${i}`, { '1': 150, '2': 150 }]))
    const startedAt = performance.now()
    expect(await put('arena', arena)).toEqual({ kind: 'created', version: 1 })
    const createdAt = performance.now()
    expect(await put('arena', { S0: { '1': 150 } })).toEqual({ kind: 'updated', version: 2 })
    const [created, emptied] = [createdAt - startedAt, performance.now() - createdAt]
    console.log(
      `15,000 seats: created in ${created.toFixed(0)} ms, all but 150 removed in ${emptied.toFixed(0)} ms`,
    )
    expect(Math.max(created, emptied)).toBeLessThan(15_000)
    expect((await getPerformance(database.knex, 'arena'))?.sections).toMatchObject([{ id: 'S0', seats: 150 }])
  })
})

describe('an existing performance', () => {
  it('is left alone by the same definition', async () => {
    await put('same', { A: { '1': 3 } })
    expect(await put('same', { A: { '1': ['1', '2', '3'] } })).toEqual({ kind: 'unchanged', version: 1 })
    expect(await versionsOf('same')).toEqual([1])
  })

  it('is extended, and what was there stays as it is', async () => {
    await put('more', { A: { '1': 2, '2': 2 } })
    expect(await put('more', { A: { '1': 3, '2': 2 }, B: { '1': 1 } })).toEqual({
      kind: 'updated',
      version: 2,
    })
    expect(await versionsOf('more')).toEqual([1, 2])
    expect(await historyOf('more', 'A', '1-2')).toEqual([[1, null]])
    expect(await historyOf('more', 'A', '2-1')).toEqual([[1, null]])
    expect(await historyOf('more', 'A', '1-3')).toEqual([[2, null]])
    expect((await getSectionSeats(database.knex, 'more', 'A'))?.rows).toEqual([
      { id: '1', seats: ['1', '2', '3'] },
      { id: '2', seats: ['1', '2'] },
    ])
  })

  it.each([
    ['title', { title: 'Macbeth' }],
    ['venue', { venue: 'Globe' }],
    ['start', { startsAt: '2027-01-01T20:00:00Z' }],
    ['end of sale', { saleClosesAt: '2027-01-01T18:00:00Z' }],
    ['event', { eventId: 'tragedies' }],
  ])('gets a new version with another %s', async (what, terms) => {
    const id = `terms-${what.replaceAll(' ', '-')}`
    await put(id, { A: { '1': 1 } })
    expect(await put(id, { A: { '1': 1 } }, terms)).toEqual({ kind: 'updated', version: 2 })
    expect(await put(id, { A: { '1': 1 } }, terms)).toEqual({ kind: 'unchanged', version: 2 })
    expect(await historyOf(id, 'A', '1-1')).toEqual([[1, null]])
  })

  it('loses seats that nobody bought, and may get them back', async () => {
    await put('back', { A: { '1': 2 }, B: { '1': 1 } })
    expect(await put('back', { A: { '1': 1 } })).toEqual({ kind: 'updated', version: 2 })
    expect(await historyOf('back', 'A', '1-2')).toEqual([[1, 2]])
    expect(await getSectionSeats(database.knex, 'back', 'B')).toBeUndefined()

    expect(await put('back', { A: { '1': 2 }, B: { '1': 1 } })).toEqual({ kind: 'updated', version: 3 })
    expect(await historyOf('back', 'A', '1-2')).toEqual([[1, 2], [3, null]]) // prettier-ignore
    expect(await historyOf('back', 'B', '1-1')).toEqual([[1, 2], [3, null]]) // prettier-ignore
    expect((await getPerformance(database.knex, 'back'))?.sections).toMatchObject([
      { id: 'A', seats: 2 },
      { id: 'B', seats: 1 },
    ])
  })

  it('keeps its sold seats: a definition without them is refused as a whole', async () => {
    await put('sold', { A: { '1': 3 }, B: { '1': 1 } })
    await sell('sold', 'A', '1-3')
    await sell('sold', 'B', '1-1')
    const refused = await put('sold', { A: { '1': 1 }, C: { '1': 9 } }, { title: 'Macbeth' })
    expect(refused).toEqual({
      kind: 'seats-sold',
      seats: [
        { sectionId: 'A', seatId: '1-3' },
        { sectionId: 'B', seatId: '1-1' },
      ],
    })
    expect(await versionsOf('sold')).toEqual([1])
    expect(await historyOf('sold', 'A', '1-2')).toEqual([[1, null]])
    expect(await getPerformance(database.knex, 'sold')).toMatchObject({
      title: 'Hamlet',
      sections: [{ id: 'A' }, { id: 'B' }],
    })
  })

  it('lets a sold seat change places', async () => {
    await put('moved', { A: { x: 1, y: 1 } })
    await sell('moved', 'A', 'x-1')
    expect(await put('moved', { A: { y: 1, x: 1 } })).toEqual({ kind: 'updated', version: 2 })
    expect((await getSectionSeats(database.knex, 'moved', 'A'))?.rows.map(({ id }) => id)).toEqual(['y', 'x'])
  })
})

describe('the list of performances', () => {
  it('comes in pages, in the order of the ids', async () => {
    for (const id of ['zz-2', 'zz-1', 'zz-Z', 'zz-a']) await put(id, { A: { '1': 1 } })
    const first = await listPerformances(database.knex, { limit: 3, after: 'zz' })
    expect(first.performances.map(({ id }) => id)).toEqual(['zz-1', 'zz-2', 'zz-Z'])
    const rest = await listPerformances(database.knex, { limit: 3, after: first.next })
    expect(rest.performances.map(({ id }) => id)).toEqual(['zz-a'])
    expect(rest).not.toHaveProperty('next')
  })

  it('knows nothing of what is not there', async () => {
    expect(await getPerformance(database.knex, 'nowhere')).toBeUndefined()
    expect(await performanceTimes(database.knex, 'nowhere')).toBeUndefined()
    expect(await listPerformances(database.knex, { limit: 1, after: 'zzz' })).toEqual({ performances: [] })
  })
})
