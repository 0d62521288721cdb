import type { Context, Env } from 'hono'
import { errorFields } from '../shared/log.ts'
import { FrontrowError } from '../shared/errors.ts'
import { JsonText, type Answer } from './answer.ts'
import { corsHeaders, preflight } from './cors.ts'
import type { Ports } from './ports.ts'
import type { Operation } from './openapi/operation.ts'
import { problem, unavailable } from './problem.ts'
import { parseTraceparent } from './trace-context.ts'

/** One HTTP request and its answer. Handlers note here what its log line should say. */
export interface Exchange {
  /** `x-request-id`. */
  readonly id: string
  /** The caller's trace, which goes along with a command. */
  readonly traceparent: string | undefined
  /** The booking it is about. */
  requestId?: string
}

/** What Hono knows of a request. */
export type RequestContext = Context<Env, string>

export type Handler = (
  c: RequestContext,
  exchange: Exchange,
) => Answer | Response | Promise<Answer | Response>

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly pattern: string
  /** What the OpenAPI document says of it. */
  readonly operation: Operation
  readonly handler: Handler
}

/** An id that a caller may hand in: short, and safe in a log line. */
const SANE_ID = /^[\w.:-]{1,64}$/

/**
 * What every answer says to browsers: it is what its type says, it neither loads nor runs anything, it is shown in
 * nobody's frame, and what it links to is not told where the reader came from. Whether to insist on TLS
 * (Strict-Transport-Security) is for what ends TLS in front of us to say.
 */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])

/**
 * Puts around a handler what every exchange has: its id, its log line, its measure, its last resort when something
 * is thrown. One function instead of a chain of middleware, because this is the way of every booking.
 */
export function exchangeOf(
  ports: Ports,
  pattern: string,
  handler: Handler,
): (c: RequestContext) => Promise<Response> {
  const { clock, log, metrics, newExchangeId, corsOrigins } = ports
  return async (c) => {
    const startedMs = clock.monotonicMs()
    const given = c.req.header('x-request-id')
    const exchange: Exchange = {
      id: given !== undefined && SANE_ID.test(given) ? given : newExchangeId(),
      traceparent: parseTraceparent(c.req.header('traceparent')),
    }
    let answer: Answer | Response
    try {
      answer = preflight(corsOrigins, c) ?? (await handler(c, exchange))
    } catch (error) {
      answer = lastResort(ports, exchange, error)
    }
    const response = toResponse(answer, exchange.id, corsHeaders(corsOrigins, c))
    const ms = clock.monotonicMs() - startedMs
    // Methods are words that clients choose: as a label or a field, only known ones.
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    metrics.observeExchange(method, pattern, answer.status, ms)
    log.info(
      {
        id: exchange.id,
        method,
        route: pattern,
        status: answer.status,
        ms: Math.round(ms * 10) / 10,
        requestId: exchange.requestId,
        trace: exchange.traceparent,
      },
      'exchange',
    )
    return response
  }
}

function toResponse(answer: Answer | Response, id: string, cors: Readonly<Record<string, string>>): Response {
  if (answer instanceof Response) {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      // A page of ours has a policy of its own.
      if (!answer.headers.has(name)) answer.headers.set(name, value)
    }
    for (const [name, value] of Object.entries(cors)) answer.headers.set(name, value)
    answer.headers.set('x-request-id', id)
    return answer
  }
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...SECURITY_HEADERS,
    ...cors,
    ...answer.headers,
    'x-request-id': id,
  }
  const { status, body } = answer
  return new Response(body instanceof JsonText ? body.text : JSON.stringify(body), { status, headers })
}

/** The caller learns that something failed and the id to ask about; the log learns what. */
function lastResort(ports: Ports, exchange: Exchange, error: unknown): Answer {
  const known = error instanceof FrontrowError && error.retryable
  const fields = { id: exchange.id, requestId: exchange.requestId, ...errorFields(error) }
  if (known) {
    ports.log.warn(fields, 'refused for now')
    return unavailable('Something that is needed for this is away. Try again.')
  }
  ports.log.error(fields, 'exchange failed')
  return problem('internal', `Nothing more can be said here; the log has it under ${exchange.id}.`)
}
