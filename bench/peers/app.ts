import { Hono, type Context } from 'hono'
import type { Pool } from 'mysql2/promise'
import { bookingRequestSchema, MAX_BOOKING_BYTES } from '../../functions/accept-booking.ts'
import { Answer } from '../../functions/answer.ts'
import { createIdentify, type Identify } from '../../functions/identity.ts'
import { parseIdempotencyKey } from '../../functions/idempotency-key.ts'
import { notFound, problem, unavailable } from '../../functions/problem.ts'
import { readJson } from '../../functions/request-body.ts'
import { validate } from '../../functions/validate.ts'
import type { AuthConfig } from '../../shared/config.ts'
import { requestIdSchema } from '../../shared/ids.ts'
import { slotOf } from '../../shared/placement.ts'
import { deriveRequestId, fingerprintOf, slotOfRequestId } from '../../shared/request-id.ts'
import type { Catalogue } from './catalogue.ts'
import { nowUs, selectDecision, type StoredDecision } from './statements.ts'
import type { Peer, Verdict, Wish } from './wish.ts'

interface PeerContext {
  readonly peer: Peer
  readonly identify: Identify
  readonly catalogue: Catalogue
  /** For reads. */
  readonly pool: Pool
}

/** The HTTP side that all peers share: what the product does with a request until it is about the seats. */
export function createPeerApp(peer: Peer, catalogue: Catalogue, pool: Pool, auth: AuthConfig): Hono {
  const context: PeerContext = {
    peer,
    identify: createIdentify(auth, Date.now),
    catalogue,
    pool,
  }
  const app = new Hono()
  app.post('/bookings', async (c) => toResponse(await postBooking(context, c)))
  app.get('/bookings/:requestId', async (c) => toResponse(await getBooking(context, c)))
  app.onError((error) => {
    console.error(error)
    return toResponse(problem('internal', 'The log has it.'))
  })
  return app
}

function toResponse({ status, body, headers }: Answer): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

async function postBooking(context: PeerContext, c: Context): Promise<Answer> {
  const caller = await context.identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const key = parseIdempotencyKey(c.req.header('idempotency-key'))
  if (key.kind !== 'key') return problem(`idempotency-key-${key.kind}`, 'Send a valid Idempotency-Key.')
  const body = await readJson(c, MAX_BOOKING_BYTES)
  if (body instanceof Answer) return body
  const asked = validate(bookingRequestSchema, body.value)
  if (asked instanceof Answer) return asked

  const { performanceId, sectionId, seatIds } = asked.value
  const found = context.catalogue.get(performanceId)
  const performance = found instanceof Promise ? await found : found
  const section = performance?.sections.get(sectionId)
  if (performance === undefined || section === undefined || !seatIds.every((seatId) => section.has(seatId)))
    return notFound()
  const wish: Wish = {
    requestId: deriveRequestId(caller.customerId, performanceId, key.key),
    customerId: caller.customerId,
    slot: slotOf(performanceId),
    performanceId,
    performanceVersion: performance.version,
    sectionId,
    seatIds: [...seatIds].sort(),
    fingerprint: fingerprintOf(asked.value),
    requestedAtUs: nowUs(),
  }
  return answerTo(wish.requestId, await context.peer.book(wish))
}

function answerTo(requestId: string, verdict: Verdict): Answer {
  const location = { location: `/bookings/${requestId}` }
  switch (verdict.kind) {
    case 'confirmed':
      return new Answer(201, { requestId, status: 'CONFIRMED' }, location)
    case 'taken':
      return new Answer(409, {
        requestId,
        status: 'REJECTED',
        reason: { code: 'SEAT_TAKEN', seatIds: verdict.seatIds },
      })
    case 'pending':
      return new Answer(202, { requestId, status: 'PENDING' }, location)
    case 'key-reused':
      return problem('idempotency-key-reused', 'The first request with this key asked for something else.')
    case 'busy':
      return unavailable('Others are at these seats. Try again.')
  }
}

async function getBooking({ identify, pool }: PeerContext, c: Context): Promise<Answer> {
  const caller = await identify(c.req.header('authorization'))
  if (caller instanceof Answer) return caller
  const requestId = requestIdSchema.safeParse(c.req.param('requestId'))
  if (!requestId.success) return notFound()
  const { sql, values } = selectDecision(slotOfRequestId(requestId.data), requestId.data)
  const [rows] = await pool.query(sql, [...values])
  const [decision] = rows as StoredDecision[]
  // What is on its way is known to nobody yet; a peer that decides at once has no such thing.
  if (decision === undefined) return new Answer(200, { requestId: requestId.data, status: 'PENDING' })
  if (decision.customerId !== caller.customerId) return notFound()
  return new Answer(200, { requestId: requestId.data, status: decision.status, ...reasonOf(decision) })
}

function reasonOf({ reasonSeatIds }: StoredDecision): object {
  return reasonSeatIds === null ? {} : { reason: { code: 'SEAT_TAKEN', seatIds: reasonSeatIds.split(',') } }
}
