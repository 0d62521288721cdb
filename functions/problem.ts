import { Answer } from './answer.ts'

/** Every way in which the API says no, as a closed set. Clients switch on `type`; titles may be reworded. */
export const problems = {
  'bad-request': { status: 400, title: 'The request cannot be understood' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'idempotency-key-missing': { status: 400, title: 'Idempotency-Key is missing' },
  'idempotency-key-malformed': { status: 400, title: 'Idempotency-Key is malformed' },
  unauthenticated: { status: 401, title: 'A valid bearer token is needed' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  'not-found': { status: 404, title: 'There is no such resource' },
  'method-not-allowed': { status: 405, title: 'The resource does not support this method' },
  'performance-started': { status: 409, title: 'The performance has started' },
  'seats-taken': { status: 409, title: 'Seats are taken' },
  'seats-sold': { status: 409, title: 'Sold seats cannot vanish' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body must be application/json' },
  validation: { status: 422, title: 'The request does not validate' },
  'idempotency-key-reused': { status: 422, title: 'Idempotency-Key was used for another request' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'not-offered': { status: 501, title: 'This platform does not offer it' },
  internal: { status: 500, title: 'Something went wrong' },
  overloaded: { status: 503, title: 'No room for more requests at the moment' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
  'streams-exhausted': { status: 503, title: 'No room for more event streams at the moment' },
  'answer-unknown': { status: 504, title: 'It is not known whether the request was accepted' },
} as const

export type ProblemName = keyof typeof problems

/** One thing that does not validate; `pointer` is a JSON pointer as a URI fragment (RFC 6901, section 6). */
export interface ValidationError {
  readonly pointer: string
  readonly detail: string
}

interface Extras {
  readonly headers?: Readonly<Record<string, string>>
  /** Members of the document beside those of RFC 9457. */
  readonly members?: Readonly<Record<string, unknown>>
}

/** A problem document of RFC 9457. */
export function problem(name: ProblemName, detail: string, { headers, members }: Extras = {}): Answer {
  const { status, title } = problems[name]
  const body = { type: `urn:frontrow:problem:${name}`, title, status, detail, ...members }
  return new Answer(status, body, { 'content-type': 'application/problem+json', ...headers })
}

export function validationProblem(errors: readonly ValidationError[]): Answer {
  return problem('validation', 'See errors.', { members: { errors } })
}

/** Seconds after which a client may try again what was refused for a lack of something on our side. */
const RETRY_AFTER_SECONDS = '1'

/** Refused and not carried out, now or later. */
export function unavailable(detail: string): Answer {
  return problem('unavailable', detail, { headers: { 'retry-after': RETRY_AFTER_SECONDS } })
}

/** Refused and not carried out, now or later. */
export function overloaded(): Answer {
  return problem('overloaded', 'More is waiting than can be decided soon. Nothing was accepted.', {
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
  })
}

export function notFound(): Answer {
  return problem('not-found', 'Nothing of that name is here for you.')
}
