import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import {
  startFunctionServer,
  type Answered,
  type Ask,
  type FunctionServer,
} from '../support/function-server.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url, settings: { RATE_LIMIT: '0' } })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

function expectProblem(answer: Answered, status: number, name: string): void {
  expect([answer.status, answer.body['type']]).toEqual([status, `urn:frontrow:problem:${name}`])
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({
    status,
    title: expect.any(String) as string,
    detail: expect.any(String) as string,
  })
  expect(answer.headers.get('x-request-id')).toMatch(/^[\w-]{8,}$/)
}

const post = (ask: Ask) => server.ask('/bookings', { method: 'POST', as: 'alice', ...ask })
const key = { 'idempotency-key': 'k' }
const json = { 'content-type': 'application/json' }

describe('what is no booking', () => {
  it.each([
    ['nothing', undefined],
    ['the empty string', ''],
    ['a space inside', '"a b"'],
    ['256 characters', 'x'.repeat(256)],
    ['an open quote', '"abc'],
    ['two keys', '"a", "b"'],
  ])('needs an Idempotency-Key, and takes %s for none', async (_, header) => {
    const headers: Record<string, string> = header === undefined ? {} : { 'idempotency-key': header }
    const name =
      header === undefined || header === '' ? 'idempotency-key-missing' : 'idempotency-key-malformed'
    expectProblem(await post({ json: wish, headers }), 400, name)
  })

  it.each([
    ['seatIds', { ...wish, seatIds: [] }, '#/seatIds'],
    ['too many', { ...wish, seatIds: Array.from({ length: 11 }, (_, i) => `1-${i}`) }, '#/seatIds'],
    ['the same seat twice', { ...wish, seatIds: ['1-1', '1-1'] }, '#/seatIds'],
    ['a seat that is no id', { ...wish, seatIds: ['1-1', 'ä'] }, '#/seatIds/1'],
    ['no performance', { sectionId: 'A', seatIds: ['1-1'] }, '#/performanceId'],
    ['a section that is no text', { ...wish, sectionId: 1 }, '#/sectionId'],
    ['a field too many', { ...wish, 'price/€': 1 }, '#/price~1%E2%82%AC'],
    ['no object', [wish], '#'],
    ['null', null, '#'],
  ])('does not validate: %s', async (_, body, pointer) => {
    const answer = await post({ json: body, headers: key })
    expectProblem(answer, 422, 'validation')
    expect(answer.body['errors']).toEqual([{ pointer: pointer, detail: expect.any(String) as string }])
  })

  it.each(['', '{', '{"performanceId":', 'hamlet'])('is malformed JSON: %j', async (body) => {
    expectProblem(await post({ body, headers: { ...key, ...json } }), 400, 'malformed-json')
  })

  it.each([
    {},
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/jsonp' },
    { ...json, 'content-encoding': 'gzip' },
  ])('is another media type: %j', async (headers: Record<string, string>) => {
    const body = new TextEncoder().encode(JSON.stringify(wish))
    expectProblem(await post({ body, headers: { ...key, ...headers } }), 415, 'unsupported-media-type')
  })

  it('takes application/json with parameters', async () => {
    const headers = { ...key, 'content-type': 'Application/JSON; charset=utf-8' }
    expect((await post({ body: JSON.stringify(wish), headers })).status).toBe(202)
  })

  it('is too large, whether it says so or not', async () => {
    const body = JSON.stringify({ ...wish, padding: 'x'.repeat(64 * 1_024) })
    expectProblem(await post({ body, headers: { ...key, ...json } }), 413, 'body-too-large')
    const stream = new Blob([body]).stream()
    expectProblem(await post({ body: stream, headers: { ...key, ...json } }), 413, 'body-too-large')
    expect((await server.ask('/livez')).status).toBe(200)
  })

  it('may come without its length', async () => {
    const stream = new Blob([JSON.stringify(wish)]).stream()
    expect((await post({ body: stream, headers: { ...key, ...json } })).status).toBe(202)
  })
})

describe('what is no resource', () => {
  it.each(['/', '/booking', '/bookings/', '/performances/hamlet/sections', '/bookings/a/b'])(
    '%s',
    async (path) => {
      expectProblem(await server.ask(path, { as: 'alice' }), 404, 'not-found')
    },
  )

  it.each([
    ['PUT', '/bookings', 'POST, GET, HEAD'],
    ['POST', '/bookings/x', 'GET, HEAD, DELETE'],
    ['DELETE', '/performances', 'GET, HEAD'],
    ['PATCH', '/performances/hamlet', 'GET, HEAD, PUT'],
    ['POST', '/performances/hamlet/sections/A/seats', 'GET, HEAD'],
    ['OPTIONS', '/livez', 'GET, HEAD'],
  ])('%s %s, which has %s', async (method, path, allow) => {
    const answer = await server.ask(path, { method })
    expectProblem(answer, 405, 'method-not-allowed')
    expect(answer.headers.get('allow')).toBe(allow)
  })

  it('answers HEAD as GET, without the body', async () => {
    const answer = await server.ask('/livez', { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('x-request-id', () => {
  it('takes over a sane one and replaces others', async () => {
    const id = async (given: string) =>
      (await server.ask('/livez', { headers: { 'x-request-id': given } })).headers.get('x-request-id')
    expect(await id('abc-123.X:y')).toBe('abc-123.X:y')
    expect(await id('a b')).not.toBe('a b')
    expect(await id('x'.repeat(65))).not.toBe('x'.repeat(65))
    expect(await id('')).toMatch(/^[\w-]{8,}$/)
  })
})
