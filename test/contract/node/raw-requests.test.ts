import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'
import { rawAnswer } from '../../support/raw-http.ts'
import { tokenFor } from '../../support/tokens.ts'

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({
    databaseUrl: database.url,
    settings: { REQUEST_TIMEOUT_MS: '1000' },
  })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

describe('what is no HTTP request', () => {
  const problemOf = (text: string) => /urn:frontrow:problem:[\w-]+/.exec(text)?.[0].slice(21)

  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400, 'bad-request'],
    ['a version of its own', 'GET / HTTP/9.9\r\n\r\n', 400, 'bad-request'],
    [
      'a host that is none',
      'GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      400,
      'bad-request',
    ],
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
