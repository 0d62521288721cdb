import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deriveRequestId } from '../../shared/request-id.ts'
import { slotOf } from '../../shared/placement.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { storeDecision, streamed } from './settled.ts'

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

const definition = {
  title: 'Hamlet',
  venue: 'Opera House',
  startsAt: '2099-01-01T19:00:00Z',
  saleOpensAt: '2026-01-01T10:00:00Z',
  saleClosesAt: '2099-01-01T18:00:00Z',
  sections: [
    {
      id: 'A',
      name: 'Stalls A',
      rows: [
        { id: '1', seats: 3 },
        { id: '2', seats: ['a', 'b'] },
      ],
    },
    { id: 'B', name: 'Balcony', rows: [{ id: '1', seats: 2 }] },
  ],
}

const put = (id: string, json: unknown) =>
  server.ask(`/performances/${id}`, { method: 'PUT', as: 'boss', scope: 'admin', json })

const take = (performanceId: string, sectionId: string, seatId: string) =>
  server.knex('booked_seats').insert({
    slot: slotOf(performanceId),
    performance_id: performanceId,
    section_id: sectionId,
    seat_id: seatId,
    request_id: deriveRequestId('somebody', performanceId, seatId),
  })

describe('PUT /performances/{id}', () => {
  it('creates, leaves as it is, and extends', async () => {
    const created = await put('hamlet', definition)
    expect([created.status, created.body]).toEqual([201, { id: 'hamlet', version: 1 }])
    expect(created.headers.get('location')).toBe('/performances/hamlet')
    const same = await put('hamlet', definition)
    expect([same.status, same.body]).toEqual([200, { id: 'hamlet', version: 1 }])
    const extended = await put('hamlet', { ...definition, venue: 'Globe' })
    expect([extended.status, extended.body]).toEqual([200, { id: 'hamlet', version: 2 }])
  })

  it('lets no sold seat vanish', async () => {
    await put('macbeth', definition)
    await take('macbeth', 'A', '1-3')
    const smaller = {
      ...definition,
      sections: [{ id: 'A', name: 'Stalls A', rows: [{ id: '1', seats: 2 }] }],
    }
    const refused = await put('macbeth', smaller)
    expect([refused.status, refused.body['type']]).toEqual([409, 'urn:frontrow:problem:seats-sold'])
    expect(refused.body['seats']).toEqual([{ sectionId: 'A', seatId: '1-3' }])
    expect((await server.ask('/performances/macbeth')).body['version']).toBe(1)
  })

  it.each([
    ['a title that is missing', { ...definition, title: undefined }, '#/title'],
    ['an unknown field', { ...definition, price: 1 }, '#/price'],
    ['a time without a zone', { ...definition, startsAt: '2099-01-01T19:00:00' }, '#/startsAt'],
    [
      'a section twice',
      { ...definition, sections: [definition.sections[1], definition.sections[1]] },
      '#/sections/1/id',
    ],
  ])('refuses %s', async (_, json, pointer) => {
    const refused = await put('othello', json)
    expect([refused.status, refused.body['type']]).toEqual([422, 'urn:frontrow:problem:validation'])
    expect(refused.body['errors']).toContainEqual({ pointer, detail: expect.any(String) as string })
    expect((await server.ask('/performances/othello')).status).toBe(404)
  })

  it('refuses an id that is none, and a body beyond 8 MB', async () => {
    expect((await put('a.b', definition)).body['errors']).toMatchObject([{ pointer: '#/performanceId' }])
    const large = await put('othello', { ...definition, title: 'x'.repeat(8 * 1_024 * 1_024) })
    expect([large.status, large.body['type']]).toEqual([413, 'urn:frontrow:problem:body-too-large'])
  })

  it('takes a large house', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => ({ id: `r${i}`, seats: 50 }))
    const sections = Array.from({ length: 10 }, (_, i) => ({ id: `s${i}`, name: `S ${i}`, rows }))
    expect((await put('arena', { ...definition, sections })).status).toBe(201)
  })
})

describe('GET /performances', () => {
  it('lists them in pages', async () => {
    for (const id of ['p1', 'p2', 'p3', 'p4', 'p5']) await put(id, definition)
    const seen: string[] = []
    let next: unknown = undefined
    do {
      const cursor = typeof next === 'string' ? `&cursor=${next}` : ''
      const { status, body } = await server.ask(`/performances?limit=2${cursor}`)
      expect(status).toBe(200)
      seen.push(...(body['performances'] as { id: string }[]).map(({ id }) => id))
      next = body['next']
    } while (next !== undefined)
    expect(seen).toEqual([...new Set(seen)])
    expect(seen).toEqual(expect.arrayContaining(['p1', 'p2', 'p3', 'p4', 'p5']))
    expect((await server.ask('/performances?limit=1000')).status).toBe(422)
    expect((await server.ask('/performances?cursor=p1')).status).toBe(422)
  })
})

describe('GET /performances/{id}', () => {
  it('shows one', async () => {
    await put('lear', definition)
    const answer = await server.ask('/performances/lear')
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      id: 'lear',
      title: 'Hamlet',
      startsAt: '2099-01-01T19:00:00.000Z',
      sections: [
        { id: 'A', name: 'Stalls A', seats: 5 },
        { id: 'B', name: 'Balcony', seats: 2 },
      ],
    })
  })

  it.each(['unknown', 'a.b', '%F0%9F%8E%AD'])('does not know %s', async (id) => {
    const answer = await server.ask(`/performances/${id}`)
    expect([answer.status, answer.body['type']]).toEqual([404, 'urn:frontrow:problem:not-found'])
  })
})

describe('GET /performances/{id}/sections/{sectionId}/seats', () => {
  const path = '/performances/tempest/sections/A/seats'

  it('shows the layout and the taken seats, and nothing anew to who has seen it', async () => {
    await put('tempest', definition)
    const first = await server.ask(path)
    expect(first.status).toBe(200)
    expect(first.body).toMatchObject({
      performanceId: 'tempest',
      sectionId: 'A',
      rows: [
        { id: '1', seats: ['1', '2', '3'] },
        { id: '2', seats: ['a', 'b'] },
      ],
      taken: [],
    })
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[^"]+"$/)
    const again = await server.ask(path, { headers: { 'if-none-match': `"other", W/${etag}` } })
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag])
    expect(again.headers.get('x-request-id')).toMatch(/./)
    const any = await server.ask(path, { headers: { 'if-none-match': '*' } })
    expect([any.status, any.text, any.headers.get('etag')]).toEqual([304, '', etag])
    await take('tempest', 'A', '2-b')
    const changed = await server.ask(path, { headers: { 'if-none-match': etag } })
    expect([changed.status, changed.body['taken']]).toEqual([200, ['2-b']])
  })

  it('shows at once what a PUT has changed, and sections that have come or gone', async () => {
    const shown = async (section: string): Promise<unknown> => {
      const { status, body } = await server.ask(`/performances/changing/sections/${section}/seats`)
      return status === 200 ? [body['version'], body['rows']] : status
    }
    const rows = [{ id: '1', seats: ['1', '2'] }]
    const section = (id: string): unknown => ({ id, name: id, rows })
    await put('changing', { ...definition, sections: [section('A')] })
    expect([await shown('A'), await shown('B')]).toEqual([[1, rows], 404])
    const longer = [{ id: '1', seats: ['1', '2', '3'] }]
    await put('changing', { ...definition, sections: [{ id: 'A', name: 'A', rows: longer }, section('B')] })
    expect([await shown('A'), await shown('B')]).toEqual([
      [2, longer],
      [2, rows],
    ])
    await put('changing', { ...definition, sections: [section('B')] })
    expect([await shown('A'), await shown('B')]).toEqual([404, [3, rows]])
  })

  it.each([
    '/performances/tempest/sections/Z/seats',
    '/performances/none/sections/A/seats',
    '/performances/tempest/sections/%20/seats',
  ])('does not know %s', async (unknown) => {
    expect((await server.ask(unknown)).status).toBe(404)
  })
})

describe('DELETE /bookings/{requestId} after the beginning', () => {
  it('is refused', async () => {
    await put('yesterday', {
      ...definition,
      startsAt: '2020-01-01T19:00:00Z',
      saleOpensAt: undefined,
      saleClosesAt: undefined,
    })
    const wish = { performanceId: 'yesterday', sectionId: 'A', seatIds: ['1-1'] }
    const requestId = deriveRequestId('alice', 'yesterday', 'k')
    await storeDecision(server, { requestId, customerId: 'alice', wish, status: 'CONFIRMED' })
    const refused = await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: 'alice' })
    expect([refused.status, refused.body['type']]).toEqual([409, 'urn:frontrow:problem:performance-started'])
    expect(await streamed(server)).toEqual([])
  })
})
