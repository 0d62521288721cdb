import type { Stake } from './decide-batch.ts'

/**
 * The partitions of one shard that a consumer owns, and where it stands in each: as stored once the batch that is
 * committing has committed, and after all that is decided ahead.
 *
 *   own ──> unread ──first reading──> served ──release──> leaving ──letGo──> gone
 */
export class Tenure {
  private readonly stakes = new Map<number, Stake>()
  private aheadOf = new Map<number, Stake>()
  /** Claimed, and not yet read. */
  private readonly unread = new Set<number>()
  private leavers: { readonly numbers: readonly number[]; readonly letGo: () => void }[] = []

  own(stakes: ReadonlyMap<number, Stake>): void {
    for (const [number, stake] of stakes) {
      this.stakes.set(number, stake)
      this.aheadOf.set(number, stake)
      this.unread.add(number)
    }
  }

  /** Partitions that are decided: all but those that leave. */
  get owned(): readonly number[] {
    return [...this.stakes.keys()].filter((number) => !this.leaves(number))
  }

  get isEmpty(): boolean {
    return this.stakes.size === 0
  }

  get isLeaving(): boolean {
    return this.leavers.length > 0
  }

  /** As stored. */
  get stored(): ReadonlyMap<number, Stake> {
    return this.stakes
  }

  /** After all that is decided. */
  get ahead(): ReadonlyMap<number, Stake> {
    return this.aheadOf
  }

  /** Which of these were claimed since, or lost. */
  changedSince(before: ReadonlyMap<number, Stake>, numbers: Iterable<number>): ReadonlySet<number> {
    return new Set(
      [...numbers].filter((number) => before.get(number)?.epoch !== this.stakes.get(number)?.epoch),
    )
  }

  has(number: number): boolean {
    return this.stakes.has(number)
  }

  leaves(number: number): boolean {
    return this.leavers.some(({ numbers }) => numbers.includes(number))
  }

  /** Resolves when they have been let go. */
  release(numbers: readonly number[]): Promise<void> {
    return new Promise((letGo) => this.leavers.push({ numbers, letGo }))
  }

  /** Forgets what leaves. @returns the partitions that it was about */
  letGo(): readonly number[] {
    const { leavers } = this
    this.leavers = []
    const numbers = leavers.flatMap((each) => each.numbers)
    for (const number of numbers) {
      this.stakes.delete(number)
      this.aheadOf.delete(number)
      this.unread.delete(number)
    }
    for (const { letGo } of leavers) letGo()
    return numbers
  }

  /** Which of these have not been read since they were claimed. */
  unreadOf(numbers: readonly number[]): readonly number[] {
    return this.unread.size === 0 ? [] : numbers.filter((number) => this.unread.has(number))
  }

  read(numbers: readonly number[]): void {
    for (const number of numbers) this.unread.delete(number)
  }

  decidedAhead(places: ReadonlyMap<number, { readonly epoch: number; readonly after: number }>): void {
    for (const [number, { epoch, after }] of places) this.aheadOf.set(number, { epoch, sequence: after })
  }

  committed(
    places: ReadonlyMap<number, { readonly epoch: number; readonly after: number }>,
    refused: ReadonlySet<number>,
  ): void {
    for (const [number, { epoch, after }] of places) {
      // Claimed anew while it committed: what that claim has read is newer, and its epoch is the one in force.
      const isCurrent = this.stakes.get(number)?.epoch === epoch
      if (isCurrent && !refused.has(number)) this.stakes.set(number, { epoch, sequence: after })
    }
  }

  /**
   * Takes in what a look at the rows found, and forgets what was decided ahead.
   *
   * @param asked where it stood when the look began; what was claimed since is as fresh as can be
   * @returns what turned out to be somebody else's
   */
  recovered(asked: ReadonlyMap<number, Stake>, found: ReadonlyMap<number, Stake>): readonly number[] {
    const lost: number[] = []
    for (const [number, before] of asked) {
      if (this.stakes.get(number)?.epoch !== before.epoch) continue
      const stake = found.get(number)
      if (stake === undefined) {
        this.stakes.delete(number)
        lost.push(number)
      } else this.stakes.set(number, stake)
    }
    this.aheadOf = new Map(this.stakes)
    return lost
  }
}
