import { describe, expect, it } from 'vitest'
import type { BookCommand, CancelCommand } from '../shared/commands.ts'
import { deriveRequestId } from '../shared/request-id.ts'
import { decide } from './decide.ts'
import { FREE, SeatHolders } from './seat-holders.ts'
import { SectionState, type PerformanceTerms } from './section-state.ts'

const START_MS = 1_800_000_000_000

const terms: PerformanceTerms = {
  version: 3,
  startsAtMs: START_MS,
  saleOpensAtMs: START_MS - 1_000_000,
  saleClosesAtMs: START_MS - 1_000,
}

const idOf = (key: string): string => deriveRequestId('alice', 'hamlet', key)

function section(taken: Record<string, string> = {}): SectionState {
  const holders = new Map(['1-1', '1-2', '1-3'].map((seatId) => [seatId, taken[seatId] ?? FREE]))
  return new SectionState({ terms, exists: true, holders: SeatHolders.of(holders) })
}

function book(key: string, seatIds: string[], atMs = START_MS - 500_000): BookCommand {
  return {
    kind: 'book',
    requestId: idOf(key),
    customerId: 'alice',
    performanceId: 'hamlet',
    sectionId: 'A',
    seatIds,
    fingerprint: 'f'.repeat(43),
    requestedAtUs: atMs * 1_000,
    topologyVersion: 1,
  }
}

function cancel(key: string, atMs = START_MS - 400_000): CancelCommand {
  const { requestId, customerId, performanceId, sectionId } = book(key, ['1-1'])
  return {
    kind: 'cancel',
    requestId,
    customerId,
    performanceId,
    sectionId,
    requestedAtUs: atMs * 1_000,
    topologyVersion: 1,
  }
}

describe('deciding a booking', () => {
  it('confirms free seats, and takes them', () => {
    expect(decide(section(), book('k', ['1-1', '1-2']))).toEqual({
      status: 'CONFIRMED',
      reason: undefined,
      change: { kind: 'take', requestId: idOf('k'), seatIds: ['1-1', '1-2'] },
      seatIds: ['1-1', '1-2'],
    })
  })

  it('is all or nothing, and names the seats that were taken', () => {
    const decision = decide(section({ '1-2': idOf('other') }), book('k', ['1-1', '1-2']))
    expect(decision).toMatchObject({ status: 'REJECTED', reason: { code: 'SEAT_TAKEN', seatIds: ['1-2'] } })
    expect(decision.change).toBeUndefined()
  })

  it('names seats that do not exist before those that are taken', () => {
    const decision = decide(section({ '1-2': idOf('other') }), book('k', ['1-2', '9-9']))
    expect(decision.reason).toEqual({ code: 'UNKNOWN_SEAT', seatIds: ['9-9'] })
  })

  it.each([
    ['before the sale opens', START_MS - 1_000_001, 'SALE_NOT_OPEN'],
    ['when the sale opens', START_MS - 1_000_000, undefined],
    ['just before the sale closes', START_MS - 1_001, undefined],
    ['when the sale closes', START_MS - 1_000, 'SALE_CLOSED'],
  ])('keeps the sale window: %s', (_, atMs, code) => {
    expect(decide(section(), book('k', ['1-1'], atMs)).reason?.code).toBe(code)
  })

  it('tells an unknown performance from an unknown section', () => {
    const nowhere = new SectionState({ terms: undefined, exists: false, holders: SeatHolders.of(new Map()) })
    const noSection = new SectionState({ terms, exists: false, holders: SeatHolders.of(new Map()) })
    expect(decide(nowhere, book('k', ['1-1'])).reason?.code).toBe('UNKNOWN_PERFORMANCE')
    expect(decide(noSection, book('k', ['1-1'])).reason?.code).toBe('UNKNOWN_SECTION')
  })
})

describe('deciding a cancel', () => {
  it('frees the seats of the request', () => {
    const held = section({ '1-1': idOf('k'), '1-3': idOf('k'), '1-2': idOf('other') })
    expect(decide(held, cancel('k'))).toMatchObject({
      status: 'CANCELLED',
      change: { kind: 'free', requestId: idOf('k'), seatIds: ['1-1', '1-3'] },
    })
  })

  it('changes nothing where the request holds nothing', () => {
    const decision = decide(section({ '1-1': idOf('other') }), cancel('k'))
    expect(decision).toEqual({ status: undefined, reason: undefined, change: undefined, seatIds: [] })
  })

  it('is refused from the start of the performance on', () => {
    const held = section({ '1-1': idOf('k') })
    expect(decide(held, cancel('k', START_MS - 1)).status).toBe('CANCELLED')
    expect(decide(held, cancel('k', START_MS))).toMatchObject({
      status: 'CONFIRMED',
      reason: { code: 'PERFORMANCE_STARTED' },
      change: undefined,
    })
  })
})
