import { generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { tokenFor, unsignedToken } from '../support/tokens.ts'

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

const protectedCalls = [
  ['POST', '/bookings'],
  ['GET', '/bookings'],
  ['GET', '/bookings/0000'],
  ['DELETE', '/bookings/0000'],
  ['PUT', '/performances/hamlet'],
] as const

describe('identity', () => {
  it.each(protectedCalls)('is needed for %s %s', async (method, path) => {
    const answer = await server.ask(path, { method })
    expect([answer.status, answer.body['type']]).toEqual([401, 'urn:frontrow:problem:unauthenticated'])
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="frontrow"')
  })

  it('is not taken from a token that is expired, unsigned or signed by somebody else', async () => {
    const bad = [
      await tokenFor('alice', { expiresInSeconds: -10 }),
      await tokenFor('alice', { expiresInSeconds: null }),
      await tokenFor('alice', { secret: 'somebody else’s secret, 32 characters long' }),
      await tokenFor('alice', { secret: 'x'.repeat(64), algorithm: 'HS512' }),
      await tokenFor('alice '),
      unsignedToken('alice'),
      'nonsense',
    ]
    for (const token of bad) {
      const answer = await server.ask('/bookings', { headers: { authorization: `Bearer ${token}` } })
      expect([answer.status, answer.body['type']]).toEqual([401, 'urn:frontrow:problem:unauthenticated'])
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="frontrow", error="invalid_token"')
    }
  })

  it('must carry the scope "admin" to change the catalogue', async () => {
    const answer = await server.ask('/performances/hamlet', {
      method: 'PUT',
      as: 'alice',
      scope: 'read',
      json: {},
    })
    expect([answer.status, answer.body['type']]).toEqual([403, 'urn:frontrow:problem:forbidden'])
    expect(answer.headers.get('www-authenticate')).toContain('insufficient_scope')
  })

  it('is not needed to look at the catalogue', async () => {
    expect((await server.ask('/performances')).status).toBe(200)
  })

  it('cannot be established without the key server', async () => {
    const remote = await startFunctionServer({
      databaseUrl: database.url,
      settings: { AUTH_JWKS_URL: 'http://127.0.0.1:1/jwks' },
    })
    const { privateKey } = await generateKeyPair('ES256')
    const token = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'ES256' })
      .setExpirationTime('1h')
      .sign(privateKey)
    const answer = await remote.ask('/bookings', { headers: { authorization: `Bearer ${token}` } })
    // A token of the other family is refused without any key.
    const symmetric = await remote.ask('/bookings', { as: 'alice' })
    await remote.stop()
    expect([answer.status, answer.body['type']]).toEqual([503, 'urn:frontrow:problem:unavailable'])
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(symmetric.status).toBe(401)
  })
})
