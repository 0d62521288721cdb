interface Due {
  readonly atMs: number
  readonly run: () => void
}

/** Simulated time: what is due happens one after the other, and between two of them the time jumps. */
export class Clockwork {
  private readonly queue: Due[] = []
  private timeMs = 0

  get nowMs(): number {
    return this.timeMs
  }

  after(ms: number, run: () => void): void {
    const atMs = this.timeMs + Math.max(0, ms)
    // Behind everything that is due by then, so that equal times keep their order.
    let low = 0
    let high = this.queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.queue[middle]?.atMs ?? 0) <= atMs) low = middle + 1
      else high = middle
    }
    this.queue.splice(low, 0, { atMs, run })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve)
    })
  }

  /** Lets time pass until something holds, or for `limitMs` at most. @returns whether it holds */
  async runUntil(holds: () => boolean, limitMs: number): Promise<boolean> {
    const endsAtMs = this.timeMs + limitMs
    while (!holds()) {
      const [next] = this.queue
      if (next === undefined || next.atMs > endsAtMs) {
        this.timeMs = endsAtMs
        return holds()
      }
      this.queue.shift()
      this.timeMs = next.atMs
      next.run()
      // Everything that follows from it without waiting happens at the same time.
      await new Promise((resolve) => setImmediate(resolve))
    }
    return true
  }
}
