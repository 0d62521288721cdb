import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { putPerformance, type PutResult } from '../../shared/catalogue/put-performance.ts'
import { getPerformance, getSectionSeats } from '../../shared/catalogue/read-catalogue.ts'
import { slotOf } from '../../shared/placement.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'

let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
})

afterAll(async () => {
  await database.drop()
})

const SHORT_MS = 400

function put(id: string, seats: number, venue = 'Opera House'): Promise<PutResult> {
  const definition = performanceDefinitionSchema.parse({
    title: 'Hamlet',
    venue,
    startsAt: '2027-01-01T19:00:00Z',
    sections: [{ id: 'A', name: 'Stalls', rows: [{ id: '1', seats }] }],
  })
  return putPerformance(database.knex, id, definition)
}

const keyOf = (id: string): { slot: number; performance_id: string } => ({
  slot: slotOf(id),
  performance_id: id,
})

const passed = (ms: number): Promise<'waiting'> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms, 'waiting')
  })

/** A batch of bookings in flight: it holds the performance as the consumer does, and commits when told. */
async function batchInFlight(id: string): Promise<Knex.Transaction> {
  const trx = await database.knex.transaction()
  await trx.raw('SELECT version FROM performances WHERE slot = ? AND performance_id = ? LOCK IN SHARE MODE', [
    slotOf(id),
    id,
  ])
  return trx
}

describe('a change and the bookings in flight', () => {
  it('waits for them, and sees what they sold', async () => {
    await put('flight', 3)
    const batch = await batchInFlight('flight')
    await batch('booked_seats').insert({
      ...keyOf('flight'),
      section_id: 'A',
      seat_id: '1-3',
      request_id: 'r',
    })
    const change = put('flight', 2)
    expect(await Promise.race([change, passed(SHORT_MS)])).toBe('waiting')
    await batch.commit()
    expect(await change).toEqual({ kind: 'seats-sold', seats: [{ sectionId: 'A', seatId: '1-3' }] })
  })

  it('does not keep them waiting while it writes its seats', async () => {
    await put('slow', 1)
    // A row in the way of the new seats stops the change in the middle.
    const obstacle = await database.knex.transaction()
    const seat = { section_id: 'A', seat_id: '1-2', from_version: 2, row_id: '1', label: '2', position: 1 }
    await obstacle('seats').insert({ ...keyOf('slow'), ...seat })
    const change = put('slow', 9)
    expect(await Promise.race([change, passed(SHORT_MS)])).toBe('waiting')
    const batch = await Promise.race([batchInFlight('slow'), passed(3_000)])
    await obstacle.rollback()
    expect(batch).not.toBe('waiting')
    if (batch !== 'waiting') await batch.rollback()
    expect(await change).toEqual({ kind: 'updated', version: 2 })
  })

  it('leaves other performances alone: nothing of them is locked or waited for', async () => {
    const others = ['other-1', 'other-2', 'other-3', 'other-4']
    for (const id of [...others, 'this']) await put(id, 5)
    const held = await database.knex.transaction()
    for (const table of ['performances', 'performance_versions', 'sections', 'seats']) {
      for (const id of others) await held(table).where(keyOf(id)).forUpdate().select('slot')
    }
    await held('booked_seats').insert({
      ...keyOf('other-1'),
      section_id: 'A',
      seat_id: '1-1',
      request_id: 'r',
    })
    const changes = (async () => [await put('this', 9), await put('this', 2), await put('brand-new', 3)])()
    const done = await Promise.race([changes, passed(5_000)])
    await held.rollback()
    expect(done).toEqual([
      { kind: 'updated', version: 2 },
      { kind: 'updated', version: 3 },
      { kind: 'created', version: 1 },
    ])
  })
})

describe('changes of one performance at the same time', () => {
  it('take turns: each gets a version of its own', async () => {
    await put('turns', 1)
    const results = await Promise.all([put('turns', 2), put('turns', 3)])
    expect(results.map((result) => result.kind)).toEqual(['updated', 'updated'])
    const versions = results.map((result) => (result.kind === 'seats-sold' ? 0 : result.version))
    expect([...versions].sort()).toEqual([2, 3])
    const last = versions[0] === 3 ? 2 : 3
    expect((await getSectionSeats(database.knex, 'turns', 'A'))?.rows[0]?.seats).toHaveLength(last)
  })

  it('that say the same create it once', async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => put('once', 50)))
    expect(results.map((result) => result.kind).sort()).toEqual([
      'created',
      'unchanged',
      'unchanged',
      'unchanged',
      'unchanged',
    ])
    expect((await getPerformance(database.knex, 'once'))?.version).toBe(1)
  })

  it('that never end are refused as a conflict, not answered wrongly', async () => {
    await put('contested', 1)
    // Somebody else's next version is always there already, and never comes into force.
    await database.knex('performance_versions').insert({ ...keyOf('contested'), version: 2, starts_at_ms: 0 })
    await expect(put('contested', 2)).rejects.toMatchObject({ code: 'CATALOGUE_CONFLICT', retryable: true })
    expect((await getPerformance(database.knex, 'contested'))?.version).toBe(1)
  })
})
