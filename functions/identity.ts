import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { LRUCache } from 'lru-cache'
import type { AuthConfig } from '../shared/config.ts'
import { customerIdSchema } from '../shared/ids.ts'
import type { Answer } from './answer.ts'
import { problem, unavailable } from './problem.ts'

/** Who asks. */
export interface Caller {
  readonly customerId: string
  readonly admin: boolean
}

/** Resolves the Authorization header to the caller or to the answer that refuses. Synchronous for a token seen before. */
export type Identify = (authorization: string | undefined) => Caller | Answer | Promise<Caller | Answer>

/**
 * With public keys, a symmetric algorithm would let anybody sign with the published key as the secret: the two
 * families never mix. (RFC 8725, section 3.1.)
 */
const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
const SYMMETRIC = ['HS256']

const CLOCK_TOLERANCE_SECONDS = 5
/** Verifying costs as much as the rest of an accept; this many callers pay it once per token. */
const CACHED_TOKENS = 50_000
const CACHED_CHARACTERS = 64 * 1024 * 1024
/** Shorter than the patience of most clients: a key server that is away must not hold their requests. */
const JWKS_TIMEOUT_MS = 2_000
/**
 * Keys are fetched anew after that, so a key that was taken back is trusted no longer, and tokens that were verified
 * with it are remembered no longer either.
 */
const JWKS_MAX_AGE_MS = 600_000
/** An unknown key may be a new one: the keys are fetched for its sake, but not more often than that. */
const JWKS_COOLDOWN_MS = 5_000

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

interface Remembered extends Caller {
  readonly untilMs: number
}

/** @param nowMs milliseconds since 1970 UTC */
export function createIdentify(config: AuthConfig, nowMs: () => number): Identify {
  const verify = verifier(config)
  const rememberMs = config.secret === undefined ? JWKS_MAX_AGE_MS : Number.POSITIVE_INFINITY
  const remembered = new LRUCache<string, Remembered>({
    max: CACHED_TOKENS,
    maxSize: CACHED_CHARACTERS,
    sizeCalculation: (_, authorization) => authorization.length + 200,
  })

  const verifyAndRemember = async (authorization: string, token: string): Promise<Caller | Answer> => {
    let payload: JWTPayload
    try {
      payload = await verify(token, nowMs())
    } catch (error) {
      return speaksOfTheToken(error)
        ? refused()
        : unavailable('The keys that tokens are checked with cannot be had.')
    }
    const customerId = customerIdSchema.safeParse(payload.sub)
    if (!customerId.success || payload.exp === undefined) return refused()
    if (isFromTheFuture(payload, nowMs())) return refused()
    const caller: Remembered = {
      customerId: customerId.data,
      admin: typeof payload['scope'] === 'string' && payload['scope'].split(' ').includes('admin'),
      untilMs: Math.min((payload.exp + CLOCK_TOLERANCE_SECONDS) * 1_000, nowMs() + rememberMs),
    }
    remembered.set(authorization, caller)
    return caller
  }

  return (authorization) => {
    if (authorization === undefined) return anonymous()
    // By the whole header: to take the token out of it costs as much as to find it.
    const caller = remembered.get(authorization)
    if (caller !== undefined && nowMs() < caller.untilMs) return caller
    const token = BEARER.exec(authorization)?.[1]
    return token === undefined ? refused() : verifyAndRemember(authorization, token)
  }
}

function verifier(config: AuthConfig): (token: string, nowMs: number) => Promise<JWTPayload> {
  const checks: JWTVerifyOptions = {
    algorithms: config.secret === undefined ? ASYMMETRIC : SYMMETRIC,
    requiredClaims: ['exp', 'sub'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
    ...(config.audience === undefined ? {} : { audience: config.audience }),
  }
  if (config.secret !== undefined) {
    const secret = new TextEncoder().encode(config.secret)
    return async (token, nowMs) =>
      (await jwtVerify(token, secret, { ...checks, currentDate: new Date(nowMs) })).payload
  }
  if (config.jwksUrl === undefined) throw new TypeError('neither a secret nor a JWKS URL')
  const keys = createRemoteJWKSet(new URL(config.jwksUrl), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cacheMaxAge: JWKS_MAX_AGE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
  })
  return async (token, nowMs) =>
    (await jwtVerify(token, keys, { ...checks, currentDate: new Date(nowMs) })).payload
}

/** Whoever signs tokens ahead of time says so in `nbf`; an `iat` to come is a forgery or a clock that cannot be trusted. */
function isFromTheFuture({ iat }: JWTPayload, nowMs: number): boolean {
  return iat !== undefined && iat > nowMs / 1_000 + CLOCK_TOLERANCE_SECONDS
}

/** Whether the token is at fault. Otherwise the key server is: away, too slow, or its answer is no key set. */
function speaksOfTheToken(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError &&
    error.code !== errors.JOSEError.code &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid)
  )
}

function anonymous(): Answer {
  return problem('unauthenticated', 'Send a bearer token.', {
    headers: { 'www-authenticate': 'Bearer realm="frontrow"' },
  })
}

function refused(): Answer {
  return problem('unauthenticated', 'The bearer token is not valid, or no longer.', {
    headers: { 'www-authenticate': 'Bearer realm="frontrow", error="invalid_token"' },
  })
}

export function needsAdmin(): Answer {
  return problem('forbidden', 'This needs the scope "admin".', {
    headers: { 'www-authenticate': 'Bearer realm="frontrow", error="insufficient_scope", scope="admin"' },
  })
}
