import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Answered, Ask, FunctionServer } from '../support/function-server.ts'
import { tokenFor, unsignedToken } from '../support/tokens.ts'
import { World } from '../support/world.ts'

/**
 * What somebody might send who means no good. Each is refused for what it is (4xx), and leaves nothing behind in Redis or
 * MySQL. What only a server of our own has to bear is in node/hostile-bytes.
 */

const MB = 1_024 * 1_024

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let world: World
let server: FunctionServer
let storedBefore: unknown

beforeAll(async () => {
  world = await World.create()
  await world.putPerformance('hamlet')
  server = await world.startFunctions({ LOG_LEVEL: 'error' })
})

afterAll(async () => {
  await world.end()
})

beforeEach(async () => {
  storedBefore = await stored()
})

afterEach(async () => {
  expect(await stored()).toEqual(storedBefore)
  expect((await server.ask('/readyz')).status).toBe(200)
})

const ourKeys = async () =>
  (await world.redis.keys(`${world.keyPrefix}*`)).filter((name) => !name.endsWith('topology'))

async function stored(): Promise<unknown> {
  const performances = (await world.knex('performances').select('performance_id', 'version')) as unknown[]
  return { keys: (await ourKeys()).sort(), performances }
}

const key = { 'idempotency-key': 'k' }
const json = { 'content-type': 'application/json' }
const post = (request: Ask) =>
  server.ask('/bookings', { method: 'POST', as: 'mallory', headers: key, ...request })
const put = (body: unknown, id = 'evil') =>
  server.ask(`/performances/${id}`, { method: 'PUT', as: 'boss', scope: 'admin', json: body })

function expectProblem(answer: Answered, status: number, name: string): void {
  expect([answer.status, answer.body['type']]).toEqual([status, `urn:frontrow:problem:${name}`])
}

describe('bodies', () => {
  it('that are nested deeper than anything is are not taken apart', async () => {
    for (const deep of [
      '['.repeat(60_000),
      `{"a":`.repeat(10_000),
      `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    ]) {
      expectProblem(await post({ body: deep, headers: { ...key, ...json } }), 400, 'malformed-json')
    }
    const large = '['.repeat(8 * MB - 100)
    expectProblem(
      await server.ask('/performances/evil', {
        method: 'PUT',
        as: 'boss',
        scope: 'admin',
        body: large,
        headers: json,
      }),
      400,
      'malformed-json',
    )
  })

  it('that name a thousand million seats, and hide it by a row of less than none, are not written out', async () => {
    const rows = [
      { id: '1', seats: 5e9 },
      { id: '2', seats: -5e9 },
    ]
    const evil = { title: 'E', venue: 'V', startsAt: '2099-01-01T19:00:00Z' }
    expectProblem(await put({ ...evil, sections: [{ id: 'A', name: 'A', rows }] }), 422, 'validation')
  })

  it.each([
    '{"__proto__":{"admin":true},"performanceId":"hamlet","sectionId":"A","seatIds":["1-1"]}',
    '{"constructor":{"prototype":{}},"performanceId":"hamlet","sectionId":"A","seatIds":["1-1"]}',
    '{"performanceId":"hamlet","sectionId":"A","seatIds":{"__proto__":["1-1"],"length":1}}',
    '{"performanceId":{"toString":1},"sectionId":"A","seatIds":["1-1"]}',
  ])('with fields that are none do not validate: %s', async (body) => {
    expectProblem(await post({ body, headers: { ...key, ...json } }), 422, 'validation')
  })

  it('with halves of characters do not validate', async () => {
    for (const field of ['performanceId', 'sectionId']) {
      const body = JSON.stringify({ ...wish, [field]: '\ud800' })
      expectProblem(await post({ body, headers: { ...key, ...json } }), 422, 'validation')
    }
    const house = {
      title: '\udc00',
      venue: 'Globe',
      startsAt: '2099-01-01T00:00:00Z',
      sections: [{ id: 'A', name: 'A', rows: [{ id: '1', seats: 1 }] }],
    }
    expectProblem(await put(house), 422, 'validation')
    expectProblem(await put({ ...house, title: 'a\u0000b' }), 422, 'validation')
  })
})

const injections = [
  "x' OR '1'='1",
  "'; DROP TABLE decisions; --",
  '"); redis.call("FLUSHALL") --',
  'x"} return redis.call("KEYS","*") --',
  '${7*7}',
  '../../etc/passwd',
  'x\r\nSet-Cookie: a=b',
]

describe('SQL, Lua and other languages', () => {
  it.each(injections)('are no ids: %s', async (text) => {
    for (const field of ['performanceId', 'sectionId'] as const) {
      expectProblem(await post({ json: { ...wish, [field]: text } }), 422, 'validation')
    }
    expectProblem(await post({ json: { ...wish, seatIds: [text] } }), 422, 'validation')
    const path = encodeURIComponent(text)
    for (const each of [
      `/performances/${path}`,
      `/performances/${path}/sections/A/seats`,
      `/performances/hamlet/sections/${path}/seats`,
      ...(server.platform.longLived ? [`/performances/${path}/seat-changes`] : []),
    ]) {
      expectProblem(await server.ask(each), 404, 'not-found')
    }
    expectProblem(await server.ask(`/bookings/${path}`, { as: 'mallory' }), 404, 'not-found')
    expectProblem(
      await server.ask(`/bookings/${path}`, { as: 'mallory', method: 'DELETE' }),
      404,
      'not-found',
    )
    expectProblem(await server.ask(`/bookings?cursor=${path}`, { as: 'mallory' }), 422, 'validation')
    expectProblem(await server.ask(`/performances?limit=${path}`), 422, 'validation')
    expectProblem(await server.ask('/bookings', { as: `m${text}é` }), 401, 'unauthenticated')
  })

  it('are text like any other where text is wanted', async () => {
    const key = '"); redis.call("FLUSHALL") --'.replaceAll(' ', '_').replaceAll('"', "'")
    const customer = "alice' OR '1'='1"
    const accepted = await server.ask('/bookings', {
      method: 'POST',
      as: customer,
      json: wish,
      headers: { 'idempotency-key': key },
    })
    expect(accepted.status).toBe(202)
    const { requestId } = accepted.body as { requestId: string }
    const read = await server.ask(`/bookings/${requestId}`, { as: customer })
    expect(read.body).toMatchObject({ requestId, ...wish })
    expect((await server.ask('/bookings', { as: customer })).body).toEqual({ bookings: [] })
    await world.redis.del(await ourKeys())
  })
})

describe('tokens', () => {
  const asked = (token: string) => server.ask('/bookings', { headers: { authorization: `Bearer ${token}` } })
  const now = () => Math.floor(Date.now() / 1_000)

  it('of nobody, of other algorithms, of other times are none', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    const pem = new TextEncoder().encode(await exportSPKI(publicKey))
    const sign = (alg: string, signer: Parameters<SignJWT['sign']>[0], claims = {}) =>
      new SignJWT({ sub: 'alice', exp: now() + 3_600, ...claims }).setProtectedHeader({ alg }).sign(signer)
    const [header, payload] = (await tokenFor('alice')).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const tokens = [
      unsignedToken('alice'),
      `${none}.${payload ?? ''}.`,
      `${header ?? ''}.${payload ?? ''}.`,
      `${header ?? ''}.${payload ?? ''}.AAAA`,
      await sign('RS256', privateKey),
      await sign('HS256', pem),
      await tokenFor('alice', { algorithm: 'HS512', secret: 'x'.repeat(64) }),
      await tokenFor('alice', { expiresInSeconds: -3_600 }),
      await tokenFor('alice', { expiresInSeconds: null }),
    ]
    for (const token of tokens) expectProblem(await asked(token), 401, 'unauthenticated')
  })

  it.each([
    ['the future, as issued', { iat: 3_600 }],
    ['the future, as not before', { nbf: 3_600 }],
  ])('from %s are none', async (_, ahead: Record<string, number>) => {
    const claims = Object.fromEntries(Object.entries(ahead).map(([name, seconds]) => [name, now() + seconds]))
    const token = await new SignJWT({ sub: 'alice', exp: now() + 7_200, ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode('a secret for tests, at least 32 characters long'))
    expectProblem(await asked(token), 401, 'unauthenticated')
  })

  it('with a subject that no customer has are none', async () => {
    expectProblem(await asked(await tokenFor('x'.repeat(8_000))), 401, 'unauthenticated')
  })
})
