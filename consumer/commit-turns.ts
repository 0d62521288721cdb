/** Gives a turn back. Twice is once. */
export type EndTurn = () => void

/**
 * Turns at committing little. Of a transaction most of the cost is its own, not its rows': while one shard's small batch
 * commits, the others let their streams gather, and each then takes all that has come in one go. Whoever has a large batch
 * asks for no turn.
 *
 * Turns only make things cheap. Nobody keeps one for longer than `leaseMs`: a shard whose Redis or rows do not answer must
 * not hold up the others.
 */
export class CommitTurns {
  private readonly leaseMs: number
  private readonly waiting: (() => void)[] = []
  private free: number

  /** @param atOnce turns that are out at the same time, at most */
  constructor(atOnce: number, leaseMs: number) {
    this.free = atOnce
    this.leaseMs = leaseMs
  }

  /** Nobody would have to wait now. */
  get isFree(): boolean {
    return this.free > 0
  }

  /** First come, first served. */
  async take(): Promise<EndTurn> {
    // Who gives a turn back hands it straight to the next: it is never free in between.
    if (this.free > 0) this.free -= 1
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    let isOut = true
    const end = (): void => {
      if (!isOut) return
      isOut = false
      clearTimeout(lease)
      const next = this.waiting.shift()
      if (next === undefined) this.free += 1
      else next()
    }
    const lease = setTimeout(end, this.leaseMs)
    return end
  }
}
