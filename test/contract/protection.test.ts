import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { rawAnswer } from '../support/raw-http.ts'
import { tokenFor } from '../support/tokens.ts'
import { streamed } from './settled.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
const ORIGIN = 'https://tickets.example'

let server: FunctionServer
let open: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({
    databaseUrl: database.url,
    settings: {
      RATE_LIMIT: '3',
      RATE_WINDOW_MS: '60000',
      CORS_ORIGINS: `${ORIGIN}, https://other.example:8443`,
      REQUEST_TIMEOUT_MS: '1000',
    },
  })
  open = await startFunctionServer({
    databaseUrl: database.url,
    settings: { CORS_ORIGINS: '*', RATE_LIMIT: '0' },
  })
})

afterAll(async () => {
  await server.stop()
  await open.stop()
  await database.drop()
})

const someone = () => `c-${randomBytes(6).toString('hex')}`

describe('the rate limit', () => {
  it('tells with each answer what is left', async () => {
    const customer = someone()
    const left: (string | null)[] = []
    for (const key of ['a', 'b', 'b', 'c', 'd']) {
      const answer = await server.book(customer, wish, key)
      expect(answer.headers.get('ratelimit-policy')).toBe('"customer";q=3;w=60')
      left.push(answer.headers.get('ratelimit'))
    }
    expect(left).toEqual(
      [2, 1, 1, 0, 0].map((r) => expect.stringMatching(`^"customer";r=${r};t=(60|59)$`) as string),
    )
    const refused = await server.book(customer, wish, 'd')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toMatch(/^(60|59|58)$/)
  })

  it('is not spoken of where there is none', async () => {
    const answer = await open.book(someone(), wish)
    expect([answer.status, answer.headers.get('ratelimit'), answer.headers.get('ratelimit-policy')]).toEqual([
      202,
      null,
      null,
    ])
  })
})

describe('browsers', () => {
  const preflight = (on: FunctionServer, origin: string) =>
    on.ask('/bookings', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    })

  it('may use it from the origins that are configured', async () => {
    const asked = await preflight(server, ORIGIN)
    expect([asked.status, asked.text]).toEqual([204, ''])
    expect(asked.headers.get('access-control-allow-origin')).toBe(ORIGIN)
    expect(asked.headers.get('access-control-allow-headers')).toContain('idempotency-key')
    expect(asked.headers.get('access-control-allow-methods')).toContain('DELETE')
    expect(asked.headers.get('vary')).toBe('origin')
    expect(asked.headers.get('x-request-id')).toMatch(/./)
    for (const path of ['/performances', '/bookings', '/nowhere']) {
      const answer = await server.ask(path, { headers: { origin: ORIGIN } })
      expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN)
      expect(answer.headers.get('access-control-expose-headers')).toContain('location')
    }
  })

  it('may not from others', async () => {
    for (const origin of ['https://tickets.example.evil', 'http://tickets.example', 'null']) {
      const asked = await preflight(server, origin)
      expect(asked.headers.get('access-control-allow-origin')).toBeNull()
      expect(asked.headers.get('access-control-allow-methods')).toBeNull()
      const answer = await server.ask('/performances', { headers: { origin } })
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      expect(answer.headers.get('vary')).toBe('origin')
    }
  })

  it('may from anywhere if that is configured, never with credentials', async () => {
    const answer = await open.ask('/performances', { headers: { origin: 'https://anywhere.example' } })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    expect((await preflight(open, 'https://anywhere.example')).status).toBe(204)
  })

  it('are told to take no answer for a page', async () => {
    for (const path of ['/performances', '/nowhere', '/metrics']) {
      const { headers } = await server.ask(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })
})

describe('a trace', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const bookTraced = async (given: string) => {
    const customer = someone()
    await open.ask('/bookings', {
      method: 'POST',
      as: customer,
      json: wish,
      headers: { 'idempotency-key': 'k', traceparent: given },
    })
    return (await streamed(open)).find((command) => command['customerId'] === customer)
  }

  it('goes along with the command, and with its cancelling', async () => {
    const command = await bookTraced(traceparent)
    expect(command).toMatchObject({ kind: 'book', traceparent })
    const requestId = command?.['requestId'] ?? ''
    await open.ask(`/bookings/${requestId}`, {
      method: 'DELETE',
      as: command?.['customerId'] ?? '',
      headers: { traceparent },
    })
    const cancel = (await streamed(open)).find(
      (each) => each['kind'] === 'cancel' && each['requestId'] === requestId,
    )
    expect(cancel).toMatchObject({ traceparent })
  })

  it('is left out if it makes no sense', async () => {
    for (const nonsense of ['', 'x', traceparent.replace('00-', 'ff-'), `${traceparent}-more`]) {
      const command = await bookTraced(nonsense)
      expect(command).toMatchObject({ kind: 'book' })
      expect(command).not.toHaveProperty('traceparent')
    }
  })
})

describe('what is no HTTP request', () => {
  const problemOf = (text: string) => /urn:frontrow:problem:[\w-]+/.exec(text)?.[0].slice(21)

  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400, 'bad-request'],
    ['a version of its own', 'GET / HTTP/9.9\r\n\r\n', 400, 'bad-request'],
    [
      'two lengths',
      'POST /bookings HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
      400,
      'bad-request',
    ],
    [
      'a length and chunks',
      'POST /bookings HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'headers of 100 KB',
      `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${'x'.repeat(100_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['headers that do not end', 'GET / HTTP/1.1\r\nHost: a\r\nX: y', 408, 'request-timeout'],
    [
      'a body that does not come',
      'POST /bookings HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n',
      401,
      'unauthenticated',
    ],
  ])('%s', async (_, request, status, name) => {
    const text = await rawAnswer(server.url, request)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(text.toLowerCase()).toContain('x-request-id: ')
    expect(text.toLowerCase()).toContain('content-type: application/problem+json')
    expect(problemOf(text)).toBe(name)
  })

  it('a body that comes too slowly', async () => {
    const lines = [
      'POST /bookings HTTP/1.1',
      'Host: a',
      `Authorization: Bearer ${await tokenFor('alice')}`,
      'Idempotency-Key: k',
      'Content-Type: application/json',
      'Content-Length: 100',
    ]
    const text = await rawAnswer(server.url, `${lines.join('\r\n')}\r\n\r\n{"performanceId":`)
    expect([text.slice(0, 12), problemOf(text)]).toEqual(['HTTP/1.1 408', 'request-timeout'])
  })
})
