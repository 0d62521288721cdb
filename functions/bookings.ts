import { z } from 'zod'
import { requestIdSchema } from '../shared/ids.ts'
import { statusSchema } from '../shared/outcomes.ts'
import { deriveRequestId } from '../shared/request-id.ts'
import { acceptBooking, bookingRequestSchema, MAX_BOOKING_BYTES } from './accept-booking.ts'
import { Answer } from './answer.ts'
import { applied, askForOutcome, awaitOutcome, grantWait } from './await-outcome.ts'
import { bookingAnswer, bookingView, locationOf, underWayAnswer } from './booking-view.ts'
import { cancelBooking } from './cancel-booking.ts'
import { cursorOf, encodeCursor, limitSchema } from './cursor.ts'
import type { Exchange, RequestContext, Route } from './exchange.ts'
import { findBooking, findDecided, parseOutcome } from './find-booking.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import * as described from './openapi/describe-bookings.ts'
import { createPerformanceStart, type PerformanceStart } from './performance-start.ts'
import type { Ports } from './ports.ts'
import { notFound, problem, unavailable } from './problem.ts'
import { bookingIdsOf, readBookings } from './read-bookings.ts'
import { rateLimitHeaders } from './rate-limit.ts'
import { readJson } from './request-body.ts'
import { notAcceptedAnswer } from './not-accepted.ts'
import type { Run } from './run-on-shard.ts'
import { validate } from './validate.ts'

export function bookingRoutes(ports: Ports): Route[] {
  const startOf = createPerformanceStart(ports)
  return [
    {
      method: 'POST',
      pattern: '/bookings',
      operation: described.createBooking,
      handler: (c, exchange) => postBooking(ports, c, exchange),
    },
    {
      method: 'GET',
      pattern: '/bookings',
      operation: described.listBookings,
      handler: (c) => listBookings(ports, c),
    },
    {
      method: 'GET',
      pattern: '/bookings/:requestId',
      operation: described.getBooking,
      handler: (c, exchange) => getBooking(ports, c, exchange),
    },
    {
      method: 'DELETE',
      pattern: '/bookings/:requestId',
      operation: described.cancelBooking,
      handler: (c, exchange) => deleteBooking(ports, startOf, c, exchange),
    },
  ]
}

async function postBooking(ports: Ports, c: RequestContext, exchange: Exchange): Promise<Answer> {
  const caller = await ports.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const key = parseIdempotencyKey(c.req.header('idempotency-key'))
  if (key.kind === 'missing')
    return problem('idempotency-key-missing', 'Send an Idempotency-Key of your own making.')
  if (key.kind === 'malformed') {
    return problem(
      'idempotency-key-malformed',
      'It takes 1 to 255 visible ASCII characters, in quotes or without.',
    )
  }
  const body = await readJson(c, MAX_BOOKING_BYTES)
  if (body instanceof Answer) return body
  const wish = validate(bookingRequestSchema, body.value)
  if (wish instanceof Answer) return wish

  const { customerId } = caller
  const requestId = deriveRequestId(customerId, wish.value.performanceId, key.key)
  exchange.requestId = requestId
  const wait = grantWait(ports, c, requestId)
  let waits = false
  let limits: Readonly<Record<string, string>> | undefined
  const finish = (answer: Answer): Answer => applied(wait, answer).with(limits)
  try {
    const extras = { traceparent: exchange.traceparent, replyTo: wait?.waiter.address }
    const run = await acceptBooking(ports, customerId, requestId, wish.value, extras)
    if (ports.limits.rateLimit !== 0) limits = rateLimitHeaders(ports.limits, run)
    const refusal = notAcceptedAnswer(ports, 'book', requestId, run)
    if (refusal !== undefined) return refusal.with(limits)
    if (!isPending(run)) return finish(await knownAnswer(ports, requestId, customerId, run))
    waits = true
  } finally {
    if (!waits) wait?.waiter.leave()
  }
  if (wait === undefined) return finish(underWayAnswer(requestId, 'PENDING'))
  return awaitOutcome(ports, wait, requestId, customerId, (decided) =>
    finish(decided === undefined ? underWayAnswer(requestId, 'PENDING') : decidedAnswer(decided)),
  )
}

/** New, or accepted before and still open. */
function isPending(run: Run): boolean {
  const [code, status] = run.kind === 'answer' ? run.answer : []
  return code !== 'known' || statusSchema.parse(status) === 'PENDING'
}

/** `200` with the outcome of a request that was decided before, or where to find it. */
async function knownAnswer(ports: Ports, requestId: string, customerId: string, run: Run): Promise<Answer> {
  const [, word, outcome] = run.kind === 'answer' ? run.answer : []
  const decided = parseOutcome(String(outcome)) ?? (await findDecided(ports, requestId, customerId))
  return decided === undefined ? underWayAnswer(requestId, statusSchema.parse(word)) : decidedAnswer(decided)
}

function decidedAnswer(booking: Parameters<typeof bookingView>[0]): Answer {
  return new Answer(200, bookingView(booking), { location: locationOf(booking.requestId) })
}

async function getBooking(ports: Ports, c: RequestContext, exchange: Exchange): Promise<Answer> {
  const caller = await ports.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const requestId = requestIdOf(c, exchange)
  if (requestId === undefined) return notFound()
  const found = await findBooking(ports, requestId, caller.customerId)
  if (found.kind === 'unknown') return cannotTell()
  if (found.kind === 'absent') return notFound()
  const wait = grantWait(ports, c, requestId)
  if (wait === undefined) return bookingAnswer(found.booking)
  const { booking } = found
  const decided =
    booking.status === 'PENDING' ? await askForOutcome(ports, wait, requestId, booking.customerId) : booking
  if (decided !== undefined) {
    wait.waiter.leave()
    return applied(wait, bookingAnswer(decided))
  }
  return awaitOutcome(ports, wait, requestId, booking.customerId, (heard) =>
    applied(wait, bookingAnswer(heard ?? booking)),
  )
}

async function deleteBooking(
  ports: Ports,
  startOf: PerformanceStart,
  c: RequestContext,
  exchange: Exchange,
): Promise<Answer> {
  const caller = await ports.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const requestId = requestIdOf(c, exchange)
  if (requestId === undefined) return notFound()
  const found = await findBooking(ports, requestId, caller.customerId)
  if (found.kind === 'unknown') return cannotTell()
  return found.kind === 'found'
    ? cancelBooking(ports, startOf, found.booking, exchange.traceparent)
    : notFound()
}

const listQuerySchema = z.object({
  limit: limitSchema,
  cursor: cursorOf(z.tuple([z.number().int().nonnegative(), requestIdSchema])).optional(),
})

async function listBookings(ports: Ports, c: RequestContext): Promise<Answer> {
  const caller = await ports.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const query = validate(listQuerySchema, c.req.query())
  if (query instanceof Answer) return query
  const { limit, cursor } = query.value
  const after = cursor && { requestedAtUs: cursor[0], requestId: cursor[1] }
  return ports.mysql.ask(async (knex) => {
    // One more than asked for tells whether there is a next page.
    const ids = await bookingIdsOf(knex, caller.customerId, after, limit + 1)
    const page = ids.slice(0, limit)
    const bookings = await readBookings(
      knex,
      page.map(({ requestId }) => requestId),
    )
    const last = page.at(-1)
    const next =
      ids.length > limit && last !== undefined
        ? { next: encodeCursor([last.requestedAtUs, last.requestId]) }
        : {}
    return new Answer(200, { bookings: bookings.map(bookingView), ...next })
  })
}

/** The request that the path names, noted; undefined if that is no request id: it may be anything. */
function requestIdOf(c: RequestContext, exchange: Exchange): string | undefined {
  const { data } = requestIdSchema.safeParse(c.req.param('requestId'))
  if (data !== undefined) exchange.requestId = data
  return data
}

function cannotTell(): Answer {
  return unavailable('Where bookings are kept cannot be reached; whether there is this one is not known.')
}
