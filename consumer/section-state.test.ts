import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveRequestId } from '../shared/request-id.ts'
import { FREE, SeatHolders } from './seat-holders.ts'
import { SectionState } from './section-state.ts'

const seats = ['1-1', '1-2', '1-3']
const idOf = (key: string): string => deriveRequestId('alice', 'hamlet', key)
const [a, b, c] = [idOf('a'), idOf('b'), idOf('c')]

const fresh = (taken: Record<string, string> = {}): SectionState =>
  new SectionState({
    terms: undefined,
    exists: true,
    holders: SeatHolders.of(new Map(seats.map((seatId) => [seatId, taken[seatId] ?? FREE]))),
  })

describe('a section with batches in flight', () => {
  it('shows the newest batch, and the net change of each', () => {
    const section = fresh({ '1-1': a })
    section.begin()
    section.apply({ kind: 'free', requestId: a, seatIds: ['1-1'] })
    section.apply({ kind: 'take', requestId: b, seatIds: ['1-1'] })
    section.apply({ kind: 'take', requestId: c, seatIds: ['1-2'] })
    section.apply({ kind: 'free', requestId: c, seatIds: ['1-2'] })
    expect(section.netChanges()).toEqual([{ seatId: '1-1', before: a, after: b }])
    section.begin()
    section.apply({ kind: 'free', requestId: b, seatIds: ['1-1'] })
    expect(section.netChanges()).toEqual([{ seatId: '1-1', before: b, after: FREE }])
    expect(section.seatsOf(b)).toBeUndefined()
    section.commit()
    expect(section.holderOf('1-1')).toBe(FREE)
    section.discard()
    expect(section.holderOf('1-1')).toBe(b)
    expect(section.seatsOf(b)).toEqual(['1-1'])
    expect(section.seatsOf(a)).toBeUndefined()
    expect(section.pinned).toBe(false)
  })

  it('is after commits what it would be had everything been applied at once, and after a discard what it was', () => {
    const change = fc.record({
      kind: fc.constantFrom('take', 'free'),
      request: fc.constantFrom('a', 'b'),
      seat: fc.constantFrom(...seats),
    })
    fc.assert(
      fc.property(fc.array(change), fc.array(change), fc.boolean(), (first, second, secondCommits) => {
        const section = fresh()
        const model = new Map<string, string>()
        const run = (changes: typeof first, counts: boolean): void => {
          section.begin()
          for (const { kind, request, seat } of changes) {
            const requestId = idOf(`${request}-${seat}`)
            section.apply({ kind: kind, requestId, seatIds: [seat] })
            if (counts) model.set(seat, kind === 'take' ? requestId : FREE)
          }
        }
        run(first, true)
        run(second, secondCommits)
        section.commit()
        if (secondCommits) section.commit()
        else section.discard()
        for (const seat of seats) expect(section.holderOf(seat)).toBe(model.get(seat) ?? FREE)
      }),
    )
  })

  it('knows the seats of each request, with and without batches in flight', () => {
    const change = fc.record({
      kind: fc.constantFrom('take', 'free'),
      request: fc.constantFrom(a, b),
      commits: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(change), change, (changes, last) => {
        const section = fresh()
        const model = new Map<string, readonly string[]>()
        const run = ({ kind, request }: typeof last, counts: boolean): void => {
          const seatIds = request === a ? ['1-1', '1-2'] : ['1-3']
          section.begin()
          section.apply({ kind, requestId: request, seatIds })
          if (counts) model.set(request, kind === 'take' ? seatIds : [])
        }
        for (const each of changes) {
          run(each, each.commits)
          if (each.commits) section.commit()
          else section.discard()
        }
        run(last, true)
        for (const request of [a, b]) expect(section.seatsOf(request) ?? []).toEqual(model.get(request) ?? [])
      }),
    )
  })
})
