import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveRequestId } from '../shared/request-id.ts'
import { FREE, SeatHolders } from './seat-holders.ts'
import { SeatPlans, seatPlanOf } from './seat-plans.ts'

const seatIds = Array.from({ length: 40 }, (_, i) => `1-${i}`)
/** Of one performance and of others, so that ids begin alike and do not. */
const requests = ['hamlet', 'hamlet', 'macbeth', 'lear'].map((name, i) =>
  deriveRequestId('alice', name, String(i)),
)

describe('who holds which seat', () => {
  it('is what a map of seats and ids would say, whatever is set', () => {
    const change = fc.record({
      seat: fc.constantFrom(...seatIds),
      holder: fc.constantFrom(FREE, ...requests, '0'.repeat(36), '3' + 'f'.repeat(35)),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const holders = new SeatHolders(seatPlanOf(seatIds))
        const model = new Map(seatIds.map((seat) => [seat, FREE]))
        for (const { seat, holder } of changes) {
          holders.set(seat, holder)
          model.set(seat, holder)
        }
        for (const [seat, holder] of model) {
          expect(holders.holderOf(seat)).toBe(holder)
          expect(holders.isFree(seat)).toBe(holder === FREE)
        }
        for (const request of [...requests, '0'.repeat(36)]) {
          expect(holders.seatsOf(request)).toEqual(seatIds.filter((seat) => model.get(seat) === request))
        }
      }),
    )
  })

  it('knows no seat that there is not', () => {
    const holders = SeatHolders.of(new Map([['1-1', requests[0] ?? '']]))
    expect(holders.isFree('1-2')).toBeUndefined()
    expect(holders.holderOf('1-2')).toBeUndefined()
    expect(() => {
      holders.set('1-2', requests[0] ?? '')
    }).toThrow(RangeError)
  })

  it.each(['alice', 'x'.repeat(36), '0'.repeat(35), '0'.repeat(38)])(
    'takes nothing that is no request id: %s',
    (id) => {
      const holders = new SeatHolders(seatPlanOf(['1-1', '1-2']))
      expect(() => {
        holders.set('1-1', id)
      }).toThrow(TypeError)
      expect(holders.isFree('1-1')).toBe(true)
      expect(holders.seatsOf(id)).toEqual([])
    },
  )
})

it('sections that are built alike share a plan, and others do not', () => {
  const plans = new SeatPlans()
  const plan = plans.of(['1-1', '1-2'])
  expect(plans.of(['1-1', '1-2'])).toBe(plan)
  expect(plans.of(['1-2', '1-1'])).not.toBe(plan)
  expect(plans.of(['1-1'])).not.toBe(plan)
  const [mine, other] = [new SeatHolders(plan), new SeatHolders(plan)]
  mine.set('1-1', requests[0] ?? '')
  expect(other.isFree('1-1')).toBe(true)
})
