import { seatPlanOf, type SeatPlan } from './seat-plans.ts'

/** Stands for "nobody" where a seat's holder is named. */
export const FREE = ''

/** A request's id is 36 hexadecimal digits. */
const ID_BYTES = 18

/**
 * Who holds which seat of a section, in 19 bytes a seat: a hall that is sold out is millions of them. A map of seats and ids
 * takes 160 each, and gives the garbage collector two million texts to look at.
 */
export class SeatHolders {
  private readonly plan: SeatPlan
  /** 1 for each seat that is taken. Made, like the ids, when the first one is. */
  private taken: Uint8Array | undefined
  private ids = Buffer.alloc(0)

  constructor(plan: SeatPlan) {
    this.plan = plan
  }

  /** @param holders each seat with the request that holds it, or FREE */
  static of(holders: ReadonlyMap<string, string>): SeatHolders {
    const made = new SeatHolders(seatPlanOf([...holders.keys()]))
    for (const [seatId, holder] of holders) made.set(seatId, holder)
    return made
  }

  get seatCount(): number {
    return this.plan.seatIds.length
  }

  /** Undefined where there is no such seat. */
  isFree(seatId: string): boolean | undefined {
    const number = this.plan.numbers.get(seatId)
    return number === undefined ? undefined : this.taken?.[number] !== 1
  }

  /** The request that holds a seat, FREE, or undefined where there is no such seat. */
  holderOf(seatId: string): string | undefined {
    const number = this.plan.numbers.get(seatId)
    if (number === undefined) return undefined
    if (this.taken?.[number] !== 1) return FREE
    return this.ids.toString('hex', number * ID_BYTES, (number + 1) * ID_BYTES)
  }

  /**
   * @param holder a request's id, or FREE
   * @throws RangeError if there is no such seat, TypeError if that is no request's id
   */
  set(seatId: string, holder: string): void {
    const number = this.plan.numbers.get(seatId)
    if (number === undefined) throw new RangeError(`there is no seat ${seatId}`)
    if (holder === FREE) {
      if (this.taken !== undefined) this.taken[number] = 0
      return
    }
    if (this.taken === undefined) {
      this.taken = new Uint8Array(this.seatCount)
      this.ids = Buffer.alloc(this.seatCount * ID_BYTES)
    }
    const isId =
      holder.length === 2 * ID_BYTES &&
      this.ids.write(holder, number * ID_BYTES, ID_BYTES, 'hex') === ID_BYTES
    if (!isId) throw new TypeError('that is no request id')
    this.taken[number] = 1
  }

  /** The seats that a request holds, in the plan's order. Looks at all: only a cancel asks. */
  seatsOf(requestId: string): string[] {
    const seats: string[] = []
    if (this.taken === undefined) return seats
    const wanted = Buffer.from(requestId, 'hex')
    if (wanted.length !== ID_BYTES) return seats
    // Behind the slot, which is the same for all.
    const word = wanted.readInt32LE(2)
    for (let number = 0; number < this.taken.length; number++) {
      const at = number * ID_BYTES
      if (this.taken[number] !== 1 || this.ids.readInt32LE(at + 2) !== word) continue
      if (wanted.compare(this.ids, at, at + ID_BYTES) === 0) seats.push(this.plan.seatIds[number] ?? '')
    }
    return seats
  }
}
