import { setTimeout as delay } from 'node:timers/promises'
import type { Told } from './history.ts'
import type { Until } from './job.ts'
import type { Lines } from './lines.ts'
import type { RequestTexts } from './request-texts.ts'
import { headerOf, memberOf, type HttpAnswer } from './response-reader.ts'

/** When a customer who polls looks again: first after 50 ms, then after twice as long each time, up to 400 ms. */
const FIRST_POLL_MS = 50
const LAST_POLL_MS = 400
/** An outcome that takes longer has got lost, or there is a queue that no customer would wait for. */
const POLLED_FOR_MS = 60_000

const SEATS_TAKEN = 'urn:frontrow:problem:seats-taken'

/** How one request came to its end. */
export interface End {
  readonly told: Told
  readonly requestId: string
  /** Of the first answer. */
  readonly status: number
}

export interface Asking {
  readonly lines: Lines
  readonly texts: RequestTexts
  readonly until: Until
  /** Whether the plan books: only then an answer says something about a booking. */
  readonly books: boolean
  readonly asksStatus: boolean
}

/** One request of one customer, to where the load wants it. */
export async function ask(asking: Asking, request: number): Promise<End> {
  const { lines, texts, until, books, asksStatus } = asking
  const answer = await lines.send(texts.first(request))
  const { status } = answer
  if (asksStatus) return endOfStatus(texts.statusId(request), answer)
  if (!books) {
    texts.rememberTag(request, status === 200 ? headerOf(answer.head, 'etag') : undefined)
    return { told: status === 200 || status === 304 ? 'accepted' : otherwise(status), requestId: '', status }
  }
  const requestId = memberOf(answer.body, 'requestId') ?? ''
  const told = toldBy(answer)
  if (told !== 'accepted' || until === 'answer') return { told, requestId, status }
  const outcome = await poll(asking, request, requestId, isOutcome)
  return { told: outcome, requestId, status }
}

/** Gives a confirmed booking back, and waits until it is cancelled. */
export async function cancel(asking: Asking, request: number, requestId: string): Promise<Told> {
  const { status } = await asking.lines.send(asking.texts.cancel(request, requestId))
  if (status !== 202) return status === 503 || status === 429 ? 'CONFIRMED' : otherwise(status)
  return poll(asking, request, requestId, (told) => told === 'CANCELLED')
}

async function poll(
  { lines, texts }: Asking,
  request: number,
  requestId: string,
  isEnd: (told: Told) => boolean,
): Promise<Told> {
  let waitMs = FIRST_POLL_MS
  for (let waitedMs = 0; waitedMs < POLLED_FOR_MS; waitedMs += waitMs) {
    await delay(waitMs)
    const told = toldBy(await lines.send(texts.status(request, requestId)))
    if (isEnd(told)) return told
    waitMs = Math.min(2 * waitMs, LAST_POLL_MS)
  }
  return 'accepted'
}

function isOutcome(told: Told): boolean {
  return told === 'CONFIRMED' || told === 'REJECTED'
}

/** What an answer about a booking says. A peer may confirm with 201 and refuse a taken seat with 409; we say so in a problem. */
function toldBy({ status, body }: HttpAnswer): Told {
  if (status === 409 && memberOf(body, 'type') === SEATS_TAKEN) return 'taken'
  if (status !== 200 && status !== 201 && status !== 202 && status !== 409) return otherwise(status)
  const word = memberOf(body, 'status')
  switch (word) {
    case 'CONFIRMED':
    case 'REJECTED':
    case 'CANCELLED':
      return word
    case 'PENDING':
      return 'accepted'
    default:
      return 'unexpected'
  }
}

/** A status read must be about the booking that was asked for. */
function endOfStatus(asked: string, answer: HttpAnswer): End {
  const requestId = memberOf(answer.body, 'requestId') ?? ''
  const told = requestId === asked ? toldBy(answer) : otherwise(answer.status)
  return { told, requestId, status: answer.status }
}

function otherwise(status: number): Told {
  if (status === 0) return 'unanswered'
  return status === 503 || status === 429 ? 'refused' : 'unexpected'
}
