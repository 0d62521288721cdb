import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { Deployment } from '../support/deployment.ts'
import { asker, type Answered, type Ask } from '../support/function-server.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { rawAnswer } from '../support/raw-http.ts'
import { tokenFor, unsignedToken } from '../support/tokens.ts'

/**
 * What somebody might send who means no good. Each is refused for what it is (4xx), leaves nothing behind in Redis or
 * MySQL, and costs no memory: the server is a process of its own, whose memory is looked at.
 */

const MB = 1_024 * 1_024
/** Memory that one kind of attack may leave behind: garbage that nobody has collected yet. */
const FLAT_MB = 96

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }

let deployment: Deployment
let server: BundleProcess
let ask: ReturnType<typeof asker>
let residentBefore = 0
let storedBefore: unknown

beforeAll(async () => {
  deployment = await Deployment.on(
    { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') },
    ownFolder(),
  )
  await deployment.putHouse({ performanceId: 'hamlet', sectionIds: ['A'], rows: 1, seats: 10 })
  server = await deployment.startFunctions({ settings: { REQUEST_TIMEOUT_MS: '1500', LOG_LEVEL: 'error' } })
  ask = asker(server.url)
  // Whatever a first request of each kind loads and compiles is there before memory is measured.
  await ask('/openapi.json')
  for (let i = 0; i < 20; i++) await post({ json: {} })
})

afterAll(async () => {
  await deployment.end()
})

beforeEach(async () => {
  residentBefore = await resident()
  storedBefore = await stored()
})

afterEach(async () => {
  expect(await stored()).toEqual(storedBefore)
  expect((await ask('/readyz')).status).toBe(200)
  expect((await resident()) - residentBefore).toBeLessThan(FLAT_MB * MB)
})

const resident = () => server.count('process_resident_memory_bytes')

async function stored(): Promise<unknown> {
  const { redis, knex, keyPrefix } = deployment
  const keys = await redis.keys(`${keyPrefix}*`)
  const performances = (await knex('performances').select('performance_id', 'version')) as unknown[]
  return { keys: keys.filter((key) => !key.endsWith('topology')).sort(), performances }
}

const key = { 'idempotency-key': 'k' }
const json = { 'content-type': 'application/json' }
const post = (request: Ask) => ask('/bookings', { method: 'POST', as: 'mallory', headers: key, ...request })
const put = (body: unknown, id = 'evil') =>
  ask(`/performances/${id}`, { method: 'PUT', as: 'boss', scope: 'admin', json: body })

function expectProblem(answer: Answered, status: number, name: string): void {
  expect([answer.status, answer.body['type']]).toEqual([status, `urn:frontrow:problem:${name}`])
}

describe('bodies', () => {
  it.each([
    ['POST', '/bookings', 'with its length'],
    ['PUT', '/performances/evil', 'with its length'],
    ['POST', '/bookings', 'in chunks'],
  ])('of 10 MB are not read: %s %s, %s', async (method, path, how) => {
    const body = `{"padding":"${'x'.repeat(10 * MB)}"}`
    const token = await tokenFor('boss', { scope: 'admin' })
    const length = how === 'in chunks' ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
    const lines = [
      `${method} ${path} HTTP/1.1`,
      'Host: a',
      `Authorization: Bearer ${token}`,
      'Idempotency-Key: k',
      'Content-Type: application/json',
      length,
    ]
    const text = await rawAnswer(
      server.url,
      `${lines.join('\r\n')}\r\n\r\n`,
      how === 'in chunks' ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body,
    )
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    expect(text).toContain('urn:frontrow:problem:body-too-large')
  })

  it('that never end are ended', async () => {
    const { text, sentBytes } = await endless(
      [
        'POST /bookings HTTP/1.1',
        'Host: a',
        `Authorization: Bearer ${await tokenFor('mallory')}`,
        'Idempotency-Key: k',
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
      ],
      `8000\r\n${' '.repeat(0x8000)}\r\n`,
    )
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    expect(sentBytes).toBeLessThan(64 * MB)
  })

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
      await ask('/performances/evil', {
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
      `/performances/${path}/seat-changes`,
    ]) {
      expectProblem(await ask(each), 404, 'not-found')
    }
    expectProblem(await ask(`/bookings/${path}`, { as: 'mallory' }), 404, 'not-found')
    expectProblem(await ask(`/bookings/${path}`, { as: 'mallory', method: 'DELETE' }), 404, 'not-found')
    expectProblem(await ask(`/bookings?cursor=${path}`, { as: 'mallory' }), 422, 'validation')
    expectProblem(await ask(`/performances?limit=${path}`), 422, 'validation')
    expectProblem(await ask('/bookings', { as: `m${text}é` }), 401, 'unauthenticated')
  })

  it('are text like any other where text is wanted', async () => {
    const key = '"); redis.call("FLUSHALL") --'.replaceAll(' ', '_').replaceAll('"', "'")
    const customer = "alice' OR '1'='1"
    const accepted = await ask('/bookings', {
      method: 'POST',
      as: customer,
      json: wish,
      headers: { 'idempotency-key': key },
    })
    expect(accepted.status).toBe(202)
    const { requestId } = accepted.body as { requestId: string }
    const read = await ask(`/bookings/${requestId}`, { as: customer })
    expect(read.body).toMatchObject({ requestId, ...wish })
    expect((await ask('/bookings', { as: customer })).body).toEqual({ bookings: [] })
    for (const each of await deployment.redis.keys(`${deployment.keyPrefix}*`)) {
      if (!each.endsWith('topology')) await deployment.redis.del(each)
    }
  })
})

describe('headers', () => {
  it('that come slowly are not waited for', async () => {
    const startedAt = performance.now()
    const drip = connect(Number(new URL(server.url).port), '127.0.0.1')
    let text = ''
    drip.on('data', (chunk) => (text += chunk.toString()))
    drip.on('error', () => undefined)
    drip.write('GET /livez HTTP/1.1\r\nHost: a\r\n')
    const ended = new Promise((resolve) => drip.on('close', resolve))
    const dripping = setInterval(() => drip.write('X-A: b\r\n'), 100)
    await ended
    clearInterval(dripping)
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it.each([
    ['10,000 lines', Array.from({ length: 10_000 }, (_, i) => `X-${i}: ${i}`)],
    ['10,000 lines of one name', Array.from({ length: 10_000 }, () => 'Prefer: wait=1')],
    ['one of 1 MB', [`Cookie: ${'x'.repeat(MB)}`]],
  ])('of %s are too large', async (_, lines) => {
    const request = ['GET /performances HTTP/1.1', 'Host: a', ...lines].join('\r\n')
    expect(await rawAnswer(server.url, `${request}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })
})

describe('tokens', () => {
  const asked = (token: string) => ask('/bookings', { headers: { authorization: `Bearer ${token}` } })
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

  it('with a subject of 100 KB are too large, and one that just fits is none', async () => {
    const token = await tokenFor('x'.repeat(100_000))
    const request = `GET /bookings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`
    expect(await rawAnswer(server.url, request)).toMatch(/^HTTP\/1\.1 431 /)
    expectProblem(await asked(await tokenFor('x'.repeat(8_000))), 401, 'unauthenticated')
  })
})

/** Sends chunks for as long as the server bears it. */
async function endless(
  lines: readonly string[],
  chunk: string,
): Promise<{ text: string; sentBytes: number }> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  let [text, closed, sentBytes] = ['', false, 0]
  socket.on('data', (data) => (text += data.toString()))
  socket.on('error', () => undefined)
  socket.on('close', () => (closed = true))
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const deadline = Date.now() + 15_000
  while (!closed && Date.now() < deadline) {
    sentBytes += chunk.length
    if (!socket.write(chunk))
      await Promise.race([new Promise((drained) => socket.once('drain', drained)), sleep(100)])
    else await sleep(0)
  }
  if (!closed)
    throw new Error(`the server still took more after ${sentBytes} bytes; it said: ${text.slice(0, 100)}`)
  return { text, sentBytes }
}
