import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Answer } from './answer.ts'
import { createIdentify, type Caller, type Identify } from './identity.ts'

const SECRET = 'a secret for tests, at least 32 characters long'
const NOW_MS = 1_795_000_000_000
const NOW = NOW_MS / 1_000

let nowMs = NOW_MS
const config = { secret: SECRET, jwksUrl: undefined, issuer: undefined, audience: undefined }

interface Claims {
  readonly sub?: string
  readonly exp?: number
  readonly nbf?: number
  readonly iat?: number
  readonly scope?: unknown
  readonly iss?: string
  readonly aud?: string
}

const sign = (claims: Claims, secret = SECRET, alg = 'HS256') =>
  new SignJWT({ sub: 'alice', exp: NOW + 60, ...claims })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(secret))

const ask = async (identify: Identify, token: string) => identify(`Bearer ${token}`)
const statusOf = (result: Caller | Answer) => (result instanceof Answer ? result.status : 200)

afterEach(() => {
  nowMs = NOW_MS
})

describe('with a shared secret', () => {
  const identify = createIdentify(config, () => nowMs)

  it('names the caller and knows an admin', async () => {
    expect(await ask(identify, await sign({}))).toMatchObject({ customerId: 'alice', admin: false })
    expect(await ask(identify, await sign({ scope: 'read admin' }))).toMatchObject({ admin: true })
    expect(await ask(identify, await sign({ scope: 'administrator' }))).toMatchObject({ admin: false })
    expect(await ask(identify, await sign({ scope: ['admin'] }))).toMatchObject({ admin: false })
  })

  it('takes the scheme in any case', async () => {
    expect(statusOf(await identify(`bearer ${await sign({})}`))).toBe(200)
  })

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic YWxpY2U6', 'Bearer a b', 'Bearer a.b.c'])(
    'refuses %j',
    async (header) => {
      const result = await identify(header)
      expect(statusOf(result)).toBe(401)
      expect(result instanceof Answer && result.headers['www-authenticate']).toMatch(/^Bearer realm=/)
    },
  )

  it.each<[string, Claims]>([
    ['expired', { exp: NOW - 6 }],
    ['that is not valid yet', { nbf: NOW + 10 }],
    ['of nobody', { sub: '' }],
    ['of a customer with a space at the end', { sub: 'alice ' }],
    ['of a customer beyond ASCII', { sub: 'älice' }],
    ['of a customer with 256 characters', { sub: 'x'.repeat(256) }],
  ])('refuses a token %s', async (_, claims) => {
    expect(statusOf(await ask(identify, await sign(claims)))).toBe(401)
  })

  it('refuses a token without exp, without signature, of another key or algorithm', async () => {
    const eternal = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET))
    const unsigned = new UnsecuredJWT({ sub: 'alice', exp: NOW + 60 }).encode()
    const foreign = await sign({}, 'another secret for tests, 32 characters long')
    const hs512 = await sign({}, SECRET.repeat(2), 'HS512')
    for (const token of [eternal, unsigned, foreign, hs512])
      expect(statusOf(await ask(identify, token))).toBe(401)
  })

  it('takes one algorithm only, whatever the secret would do for others', async () => {
    const long = 'x'.repeat(64)
    const identify = createIdentify({ ...config, secret: long }, () => nowMs)
    expect(statusOf(await ask(identify, await sign({}, long)))).toBe(200)
    for (const alg of ['HS384', 'HS512']) {
      expect(statusOf(await ask(identify, await sign({}, long, alg)))).toBe(401)
    }
  })

  it('allows for clocks that are a little apart', async () => {
    expect(statusOf(await ask(identify, await sign({ exp: NOW - 4 })))).toBe(200)
  })

  it('remembers a verified token until it expires, and no longer', async () => {
    const header = `Bearer ${await sign({})}`
    await identify(header)
    expect(identify(header)).toMatchObject({ customerId: 'alice' })
    nowMs = NOW_MS + 66_000
    expect(statusOf(await identify(header))).toBe(401)
  })

  it('refuses what says that it was issued in the future', async () => {
    expect(statusOf(await ask(identify, await sign({ iat: NOW + 4 })))).toBe(200)
    expect(statusOf(await ask(identify, await sign({ iat: NOW + 10 })))).toBe(401)
  })

  it('does not remember what it refused', async () => {
    const early = `Bearer ${await sign({ nbf: NOW + 10 })}`
    expect(statusOf(await identify(early))).toBe(401)
    nowMs = NOW_MS + 10_000
    expect(statusOf(await identify(early))).toBe(200)
  })

  it('checks issuer and audience if told to', async () => {
    const strict = createIdentify(
      { ...config, issuer: 'https://id.example', audience: 'frontrow' },
      () => nowMs,
    )
    expect(statusOf(await ask(strict, await sign({})))).toBe(401)
    expect(statusOf(await ask(strict, await sign({ iss: 'https://id.example', aud: 'other' })))).toBe(401)
    expect(statusOf(await ask(strict, await sign({ iss: 'https://id.example', aud: 'frontrow' })))).toBe(200)
  })
})

describe('with a key server', () => {
  let keys: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey }
  let server: Server | undefined

  beforeAll(async () => {
    keys = await generateKeyPair('ES256', { extractable: true })
  })

  afterEach(() => {
    vi.useRealTimers()
    server?.close()
    server?.closeAllConnections()
  })

  const serve = async (answer: () => string): Promise<Identify> => {
    const started = createServer((_, response) => {
      const body = answer()
      response.writeHead(body === '' ? 500 : 200, { 'content-type': 'application/json' }).end(body)
    })
    server = started
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
    const jwksUrl = `http://127.0.0.1:${(started.address() as AddressInfo).port}/jwks`
    return createIdentify({ ...config, secret: undefined, jwksUrl }, () => nowMs)
  }
  interface Signer {
    readonly jwk: JWK
    readonly privateKey: CryptoKey
  }
  const keyNamed = async (kid: string): Promise<Signer> => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    return { jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }, privateKey }
  }
  const tokenOf = ({ jwk, privateKey }: Signer, sub = 'alice') =>
    new SignJWT({ sub, exp: NOW + 3_600 })
      .setProtectedHeader({ alg: 'ES256', kid: jwk.kid ?? '' })
      .sign(privateKey)
  const pass = (ms: number) => {
    nowMs += ms
    vi.setSystemTime(nowMs)
  }
  const keySet = async () =>
    JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' }] })
  const signed = (kid: string) =>
    new SignJWT({ sub: 'alice', exp: NOW + 60 })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(keys.privateKey)

  it('takes what its keys have signed', async () => {
    const set = await keySet()
    const identify = await serve(() => set)
    expect(await ask(identify, await signed('k1'))).toMatchObject({ customerId: 'alice' })
    expect(statusOf(await ask(identify, await signed('k2')))).toBe(401)
  })

  it('takes a new key as soon as it is published, and lets go of an old one', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW_MS })
    const [first, second] = [await keyNamed('k1'), await keyNamed('k2')]
    let published = [first]
    let fetched = 0
    const identify = await serve(() => {
      fetched++
      return JSON.stringify({ keys: published.map(({ jwk }) => jwk) })
    })
    const old = await tokenOf(first)
    expect(statusOf(await ask(identify, old))).toBe(200)
    expect(statusOf(await ask(identify, await tokenOf(first, 'bob')))).toBe(200)
    expect(fetched).toBe(1)
    // An unknown key is asked for, but not again and again.
    for (let i = 0; i < 5; i++) expect(statusOf(await ask(identify, await tokenOf(second)))).toBe(401)
    expect(fetched).toBe(1)
    published = [second]
    pass(6_000)
    expect(statusOf(await ask(identify, await tokenOf(second)))).toBe(200)
    expect(fetched).toBe(2)
    expect(statusOf(await ask(identify, await tokenOf(first, 'carol')))).toBe(401)
    // Verified before; remembered no longer than keys are.
    expect(statusOf(await ask(identify, old))).toBe(200)
    pass(600_001)
    expect(statusOf(await ask(identify, old))).toBe(401)
  })

  it('refuses a token signed with the public key as the secret', async () => {
    const set = await keySet()
    const identify = await serve(() => set)
    expect(statusOf(await ask(identify, await sign({}, set)))).toBe(401)
  })

  it('cannot tell while the key server is broken or away, and can when it is back', async () => {
    let body = ''
    const set = await keySet()
    const identify = await serve(() => body)
    const token = await signed('k1')
    expect(statusOf(await ask(identify, token))).toBe(503)
    body = '{"keys":'
    expect(statusOf(await ask(identify, token))).toBe(503)
    body = '{}'
    expect(statusOf(await ask(identify, token))).toBe(503)
    body = set
    expect(statusOf(await ask(identify, token))).toBe(200)
    const away = createIdentify(
      { ...config, secret: undefined, jwksUrl: 'http://127.0.0.1:1/jwks' },
      () => nowMs,
    )
    expect(statusOf(await ask(away, token))).toBe(503)
  })
})
