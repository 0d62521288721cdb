import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
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
    const requestId = command?.['requestId'] as string
    await open.ask(`/bookings/${requestId}`, {
      method: 'DELETE',
      as: command?.['customerId'] as string,
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
