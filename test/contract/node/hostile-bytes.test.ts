import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { Deployment } from '../../support/deployment.ts'
import { asker } from '../../support/function-server.ts'
import { ownFolder } from '../../support/own-servers.ts'
import type { BundleProcess } from '../../support/processes.ts'
import { rawAnswer } from '../../support/raw-http.ts'
import { tokenFor } from '../../support/tokens.ts'

/**
 * What somebody might send to the server itself who means no good. Each is refused for what it is (4xx), leaves nothing
 * behind in Redis or MySQL, and costs no memory: the server is a process of its own, whose memory is looked at.
 */

const MB = 1_024 * 1_024
/** Memory that one kind of attack may leave behind: garbage that nobody has collected yet. */
const FLAT_MB = 96

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
  for (let i = 0; i < 20; i++) await ask('/bookings', { method: 'POST', as: 'mallory', json: {} })
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
  it('with a subject of 100 KB are too large', async () => {
    const token = await tokenFor('x'.repeat(100_000))
    const request = `GET /bookings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`
    expect(await rawAnswer(server.url, request)).toMatch(/^HTTP\/1\.1 431 /)
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
