import { hash } from 'node:crypto'

/** The seats of a section, numbered from 0. */
export interface SeatPlan {
  readonly seatIds: readonly string[]
  /** Seat id → its place in `seatIds`. */
  readonly numbers: ReadonlyMap<string, number>
}

export function seatPlanOf(seatIds: readonly string[]): SeatPlan {
  return { seatIds, numbers: new Map(seatIds.map((seatId, number) => [seatId, number])) }
}

/**
 * The plans that are in use. Of a hall's sections many are built alike, and so is a section on each of a production's
 * hundred evenings: those share one plan, which is many times as large as who holds which of its seats.
 */
export class SeatPlans {
  private readonly plans = new Map<string, WeakRef<SeatPlan>>()
  private readonly unused = new FinalizationRegistry<string>((name) => {
    // Another may have come in its place since.
    if (this.plans.get(name)?.deref() === undefined) this.plans.delete(name)
  })

  of(seatIds: readonly string[]): SeatPlan {
    // A seat's id has no comma.
    const name = hash('sha256', seatIds.join(','), 'base64')
    const known = this.plans.get(name)?.deref()
    if (known !== undefined) return known
    const plan = seatPlanOf(seatIds)
    this.plans.set(name, new WeakRef(plan))
    this.unused.register(plan, name)
    return plan
  }
}
