import { describe, expect, it } from 'vitest'
import {
  requestOf,
  resultOf,
  type BalancerEvent,
  type GatewayEvent,
  type LambdaEvent,
} from './lambda-events.ts'

const gateway: GatewayEvent = {
  version: '2.0',
  rawPath: '/bookings',
  rawQueryString: 'limit=2&cursor=a%2Bb',
  headers: { host: 'api.example', 'if-none-match': '"a","b"', accept: 'text/plain,application/json' },
  requestContext: { http: { method: 'GET' } },
  isBase64Encoded: false,
}
const balancer: BalancerEvent = {
  requestContext: { elb: {} },
  httpMethod: 'GET',
  path: '/bookings',
  queryStringParameters: { limit: '2', cursor: 'a%2Bb' },
  headers: { host: 'api.example', accept: 'application/json' },
  body: '',
  isBase64Encoded: false,
}
const lists: BalancerEvent = {
  requestContext: { elb: {} },
  httpMethod: 'GET',
  path: '/bookings',
  multiValueQueryStringParameters: { limit: ['2'], cursor: ['a%2Bb', 'c'] },
  multiValueHeaders: { host: ['api.example'], 'if-none-match': ['"a"', '"b"'] },
  body: '',
  isBase64Encoded: false,
}

describe('a request', () => {
  it.each([
    ['API Gateway', gateway, '?limit=2&cursor=a%2Bb'],
    ['a balancer', balancer, '?limit=2&cursor=a%2Bb'],
    ['a balancer with all values', lists, '?limit=2&cursor=a%2Bb&cursor=c'],
  ])('of %s has its path and query as they were sent', (_, event, query) => {
    expect(requestOf(event).url).toBe(`https://api.example/bookings${query}`)
  })

  it('has repeated headers as a list', () => {
    expect(requestOf(lists).headers.get('if-none-match')).toBe('"a", "b"')
    expect(requestOf(gateway).headers.get('if-none-match')).toBe('"a","b"')
  })

  it('has the cookies that API Gateway keeps apart', () => {
    expect(requestOf({ ...gateway, cookies: ['a=1', 'b=2'] }).headers.get('cookie')).toBe('a=1; b=2')
  })

  it('has its body, whether it comes as text or in base64, and its length', async () => {
    const text = '{"title":"Faust – Über"}'
    const post = { ...gateway, requestContext: { http: { method: 'POST' } } }
    const encoded = Buffer.from(text).toString('base64')
    for (const event of [
      { ...post, body: text },
      { ...post, body: encoded, isBase64Encoded: true },
      { ...balancer, httpMethod: 'POST', body: encoded, isBase64Encoded: true },
    ] satisfies LambdaEvent[]) {
      const request = requestOf(event)
      expect(request.headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
      expect(await request.text()).toBe(text)
    }
  })

  it('keeps in its path what API Gateway has decoded there', () => {
    expect(new URL(requestOf({ ...gateway, rawPath: '/performances/a?b#c' }).url).pathname).toBe(
      '/performances/a%3Fb%23c',
    )
  })

  it('of an impossible host or header is none', () => {
    expect(() => requestOf({ ...gateway, headers: { host: 'a b' } })).toThrow(TypeError)
    expect(() => requestOf({ ...gateway, headers: { host: 'a', x: 'line\nbreak' } })).toThrow(TypeError)
  })
})

describe('a result', () => {
  const response = (): Response =>
    new Response('{"status":"ok"}', {
      headers: [
        ['content-type', 'application/json'],
        ['connection', 'close'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    })

  it('has the shape that its sender understands', async () => {
    const common = { statusCode: 200, body: '{"status":"ok"}', isBase64Encoded: false }
    const type = { 'content-type': 'application/json' }
    expect(await resultOf(gateway, response())).toEqual({
      ...common,
      headers: type,
      cookies: ['a=1', 'b=2'],
    })
    expect(await resultOf(balancer, response())).toEqual({
      ...common,
      headers: { ...type, 'set-cookie': 'a=1' },
    })
    expect(await resultOf(lists, response())).toEqual({
      ...common,
      multiValueHeaders: { 'content-type': ['application/json'], 'set-cookie': ['a=1', 'b=2'] },
    })
  })

  it('comes in base64 if it is no text', async () => {
    const bytes = Uint8Array.of(0x1f, 0x8b, 0x00)
    expect(await resultOf(gateway, new Response(bytes))).toMatchObject({
      body: Buffer.from(bytes).toString('base64'),
      isBase64Encoded: true,
    })
    expect(await resultOf(gateway, new Response(null, { status: 304 }))).toMatchObject({
      statusCode: 304,
      body: '',
      isBase64Encoded: false,
    })
  })
})
