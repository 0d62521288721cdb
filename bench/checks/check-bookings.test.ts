import { describe, expect, it } from 'vitest'
import type { DecisionRow } from '../../test/support/judge-decisions.ts'
import type { Entry, Told } from '../load/history.ts'
import { seatOf, type BookingPlan } from '../load/plan.ts'
import { checkBookings, lostOf, type Evidence } from './check-bookings.ts'

const plan: BookingPlan = {
  kind: 'book',
  house: { performanceIds: ['p'], sections: 1, rows: 1, seatsPerRow: 2 },
  seats: 'once',
  keys: 'k',
}

function entry(request: number, told: Told): Entry {
  return { request, told, requestId: `id-${request}` }
}

/** The decision about a request, as it should be but for what a test changes. */
function decision(request: number, change: Partial<DecisionRow> = {}): DecisionRow {
  const { performanceId, sectionId, seatId } = seatOf(plan, request)
  return {
    ...{ request_id: `id-${request}`, command: 'book', customer_id: `customer-${request}` },
    ...{ performance_id: performanceId, section_id: sectionId, seat_ids: seatId },
    ...{ status: 'CONFIRMED', reason: null, shard: 0, partition_number: 0, sequence: request + 1, epoch: 1 },
    requested_at_us: request,
    ...change,
  }
}

const right: Evidence = {
  plan,
  customers: 1_000,
  customerName: (number) => `customer-${number}`,
  history: [entry(0, 'CONFIRMED'), entry(1, 'CONFIRMED')],
  decisions: [decision(0), decision(1)],
  seats: new Map([
    ['p/S0/1-1', 'id-0'],
    ['p/S0/1-2', 'id-1'],
  ]),
  ordered: true,
}

describe('what is wrong with a row', () => {
  it('is nothing where all is as it was told', () => {
    expect(checkBookings(right)).toEqual([])
  })

  it.each<[string, Partial<Evidence>, RegExp]>([
    ['a booking that is lost', { decisions: [decision(0)] }, /told CONFIRMED, and lost/],
    [
      'an outcome told otherwise',
      { history: [entry(0, 'REJECTED'), entry(1, 'CONFIRMED')] },
      /told REJECTED/,
    ],
    [
      'a request decided twice',
      { decisions: [decision(0), decision(1), decision(1, { sequence: 3 })] },
      /decided twice/,
    ],
    [
      'a seat given twice',
      { decisions: [decision(0), decision(1, { seat_ids: '1-1' })] },
      /was given to id-0 and id-1/,
    ],
    ['a seat that is missing', { seats: new Map([['p/S0/1-1', 'id-0']]) }, /has not its seat/],
    [
      'a seat that nobody was given',
      { seats: new Map([...right.seats, ['p/S0/1-3', 'id-0']]) },
      /by its row only/,
    ],
    [
      'a decision for somebody else',
      { decisions: [decision(0, { customer_id: 'customer-9' }), decision(1)] },
      /asked customer-0/,
    ],
    [
      'one carried out that was refused',
      { history: [entry(0, 'refused'), entry(1, 'CONFIRMED')] },
      /refused and/,
    ],
    [
      'one carried out that was refused as taken',
      { history: [{ ...entry(0, 'taken'), requestId: '' }, entry(1, 'CONFIRMED')] },
      /1 were decided and 0 not answered/,
    ],
    [
      'a seat refused as taken that nobody has',
      {
        history: [{ ...entry(0, 'taken'), requestId: '' }, entry(1, 'CONFIRMED')],
        decisions: [decision(1)],
        seats: new Map([['p/S0/1-2', 'id-1']]),
      },
      /refused as taken, and nobody has it/,
    ],
    ['one that nobody asked for', { history: [entry(0, 'CONFIRMED')] }, /1 were decided and 0 not answered/],
    [
      'an answer that makes no sense',
      { history: [entry(0, 'unexpected'), entry(1, 'CONFIRMED')] },
      /nobody expects/,
    ],
    [
      'a refusal of a free seat',
      {
        history: [entry(0, 'REJECTED'), entry(1, 'CONFIRMED')],
        decisions: [decision(0, { status: 'REJECTED', reason: 'SEAT_TAKEN' }), decision(1)],
        seats: new Map([['p/S0/1-2', 'id-1']]),
      },
      /which nobody had/,
    ],
  ])('is %s', (_what, change, problem) => {
    expect(checkBookings({ ...right, ...change }).join('\n')).toMatch(problem)
  })

  it('is not that one who heard nothing was decided', () => {
    const history = [entry(0, 'CONFIRMED'), { request: 1, told: 'unanswered' as const, requestId: '' }]
    expect(checkBookings({ ...right, history })).toEqual([])
  })

  it('is not a booking that was given back', () => {
    const cancel = decision(1, { command: 'cancel', status: 'CANCELLED', sequence: 3 })
    const evidence = {
      ...right,
      history: [entry(0, 'CONFIRMED'), entry(1, 'CANCELLED')],
      decisions: [decision(0), decision(1), cancel],
      seats: new Map([['p/S0/1-1', 'id-0']]),
    }
    expect(checkBookings(evidence)).toEqual([])
  })
})

describe('lost requests', () => {
  it('are those that were promised and are not stored', () => {
    const history = [entry(0, 'accepted'), entry(1, 'accepted'), entry(2, 'refused')]
    expect(lostOf({ history, decisions: [decision(0)] })).toBe(1)
  })
})
