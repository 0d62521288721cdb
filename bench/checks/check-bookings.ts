import { judgeSeats, type DecisionRow } from '../../test/support/judge-decisions.ts'
import type { Entry } from '../load/history.ts'
import { customerOf, seatOf, type BookingPlan } from '../load/plan.ts'

/** What customers were told, and what plain SQL found afterwards. */
export interface Evidence {
  readonly plan: BookingPlan
  readonly customers: number
  readonly customerName: (number: number) => string
  readonly history: readonly Entry[]
  readonly decisions: readonly DecisionRow[]
  /** Seat (`performance/section/seat`) → request. */
  readonly seats: ReadonlyMap<string, string>
  /** Whether rejections are stored and places are an order: a peer may do without. */
  readonly ordered: boolean
}

/** What is wrong, a sentence each; empty if every request has one outcome, told as it is stored, and every seat one holder. */
export function checkBookings(evidence: Evidence): string[] {
  const { decisions, seats, ordered } = evidence
  return [
    ...checkTold(evidence),
    ...checkHolders(decisions, seats),
    ...(ordered ? judgeSeats(decisions, seats) : []),
  ]
}

/** Requests whose customer was told that it is accepted, or its outcome, and of which nothing is stored. */
export function lostOf({ history, decisions }: Pick<Evidence, 'history' | 'decisions'>): number {
  const stored = new Set(decisions.map(({ request_id }) => request_id))
  return history.filter(({ told, requestId }) => isPromised(told) && !stored.has(requestId)).length
}

function isPromised(told: Entry['told']): boolean {
  return told === 'accepted' || told === 'CONFIRMED' || told === 'CANCELLED'
}

interface Stored {
  readonly books: ReadonlyMap<string, DecisionRow>
  readonly cancelled: ReadonlySet<string>
}

function checkTold(evidence: Evidence): string[] {
  const { history, decisions } = evidence
  const problems: string[] = []
  const books = new Map<string, DecisionRow>()
  for (const row of decisions.filter(({ command }) => command === 'book')) {
    if (books.has(row.request_id)) problems.push(`${row.request_id} was decided twice`)
    books.set(row.request_id, row)
  }
  const cancelled = new Set(
    decisions
      .filter(({ command, status }) => command === 'cancel' && status === 'CANCELLED')
      .map(({ request_id }) => request_id),
  )
  const requests = new Set<number>()
  const ids = new Set<string>()
  for (const entry of history) {
    if (requests.has(entry.request)) problems.push(`request ${entry.request} ended twice`)
    requests.add(entry.request)
    if (entry.requestId !== '' && ids.has(entry.requestId))
      problems.push(`${entry.requestId} was given twice`)
    ids.add(entry.requestId)
    const problem = problemOf(evidence, { books, cancelled }, entry)
    if (problem !== undefined) problems.push(`request ${entry.request} (${entry.requestId}): ${problem}`)
  }
  const untold = [...books.keys()].filter((id) => !ids.has(id)).length
  // Of those who heard nothing some may have been decided; of all others we know the id.
  const silent = history.filter(({ told }) => told === 'unanswered').length
  if (untold > silent) problems.push(`${untold} were decided and ${silent} not answered`)
  return problems
}

function problemOf(evidence: Evidence, { books, cancelled }: Stored, entry: Entry): string | undefined {
  const { plan, customers, customerName, seats, ordered } = evidence
  const { told, requestId, request } = entry
  const book = books.get(requestId)
  if (told === 'unexpected') return 'an answer that nobody expects'
  if (told === 'unsent' || told === 'refused' || told === 'unanswered')
    return told === 'refused' && book !== undefined ? 'refused and carried out' : undefined
  const { performanceId, sectionId, seatId } = seatOf(plan, request)
  const holder = seats.get(`${performanceId}/${sectionId}/${seatId}`)
  // Where seats are given back, whoever had it then may have it no more.
  if (told === 'taken')
    return holder === undefined && plan.cancelEvery === undefined
      ? 'refused as taken, and nobody has it'
      : undefined
  if (told === 'REJECTED' && !ordered)
    return book?.status === 'CONFIRMED' ? 'refused and confirmed' : undefined
  if (book === undefined) return `told ${told}, and lost`
  const asked = [customerName(customerOf(request, customers)), performanceId, sectionId, seatId].join()
  const decided = [book.customer_id, book.performance_id, book.section_id, book.seat_ids].join()
  if (asked !== decided) return `asked ${asked}, decided ${decided}`
  if (book.status === 'REJECTED' && book.reason !== 'SEAT_TAKEN')
    return `rejected for ${book.reason ?? 'nothing'}`
  const status = cancelled.has(requestId) ? 'CANCELLED' : book.status
  if (told !== 'accepted' && told !== status) return `told ${told}, stored ${status ?? 'nothing'}`
  const holds = holder === requestId
  return holds === (status === 'CONFIRMED')
    ? undefined
    : `${status ?? 'nothing'}, and ${holds ? 'has' : 'has not'} its seat`
}

/** Each taken seat is held by a booking that was confirmed and not given back, and by that one only. */
function checkHolders(decisions: readonly DecisionRow[], seats: ReadonlyMap<string, string>): string[] {
  const holders = new Map<string, string>()
  const gone = new Set(
    decisions.filter(({ status }) => status === 'CANCELLED').map(({ request_id }) => request_id),
  )
  const problems: string[] = []
  for (const row of decisions) {
    if (row.status !== 'CONFIRMED' || gone.has(row.request_id)) continue
    for (const seatId of row.seat_ids.split(',')) {
      const seat = `${row.performance_id}/${row.section_id}/${seatId}`
      const other = holders.get(seat)
      if (other !== undefined) problems.push(`${seat} was given to ${other} and ${row.request_id}`)
      holders.set(seat, row.request_id)
    }
  }
  for (const [seat, requestId] of seats) {
    if (holders.get(seat) !== requestId) problems.push(`${seat} is ${requestId}'s by its row only`)
  }
  if (seats.size !== holders.size) problems.push(`${seats.size} seats are taken, ${holders.size} were given`)
  return problems
}
