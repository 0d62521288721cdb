import type { Context } from 'hono'

/** Whose scripts may read our answers in a browser: some origins, or everybody's. */
export type CorsOrigins = ReadonlySet<string> | '*'

/** What a script may ask with beyond what every script may. */
const REQUEST_HEADERS =
  'authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer, traceparent, x-request-id'
const METHODS = 'GET, HEAD, POST, PUT, DELETE'
/** What a script may read beyond what every script may. */
const RESPONSE_HEADERS =
  'content-location, etag, location, preference-applied, ratelimit, ratelimit-policy, retry-after, x-request-id'
/** Browsers ask again after that; most cap it at two hours themselves. */
const PREFLIGHT_SECONDS = '7200'

const NONE: Readonly<Record<string, string>> = {}

/**
 * What an answer says to a browser. Identity travels in a header that scripts must set themselves, never in a cookie:
 * no origin is ever allowed credentials.
 */
export function corsHeaders(origins: CorsOrigins | undefined, c: Context): Readonly<Record<string, string>> {
  if (origins === undefined) return NONE
  if (origins === '*') {
    return { 'access-control-allow-origin': '*', 'access-control-expose-headers': RESPONSE_HEADERS }
  }
  const origin = c.req.header('origin')
  // Also where the origin is none of them: a cache must not hand that answer to one that is.
  if (origin === undefined || !origins.has(origin)) return { vary: 'origin' }
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': RESPONSE_HEADERS,
    vary: 'origin',
  }
}

/** The answer to a browser that asks first whether it may ask; undefined if this is no such question. */
export function preflight(origins: CorsOrigins | undefined, c: Context): Response | undefined {
  if (origins === undefined || c.req.method !== 'OPTIONS') return undefined
  const origin = c.req.header('origin')
  if (origin === undefined || c.req.header('access-control-request-method') === undefined) return undefined
  const allowed = origins === '*' || origins.has(origin)
  const permission = {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': REQUEST_HEADERS,
    'access-control-max-age': PREFLIGHT_SECONDS,
  }
  return new Response(null, { status: 204, headers: allowed ? permission : NONE })
}
