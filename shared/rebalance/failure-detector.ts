/** What a member shows of itself: a counter that it raises while it makes progress. */
export interface Beat {
  readonly counter: number
  /** It wants to hand over what it owns, and goes then. */
  readonly leaving: boolean
}

interface Watched {
  /** Undefined: a map names it, and Redis knows nothing of it. */
  counter: number | undefined
  leaving: boolean
  /** When its counter was last seen to be another. */
  changedAtMs: number
}

export interface FailureDetectorOptions {
  readonly memberTimeoutMs: number
  /** Between two looks in a row at most; after a longer gap nobody can say who stood still in it. */
  readonly longestGapMs: number
}

/**
 * Tells the living from the dead by their counters alone: a member whose counter stands still for the time-out, by the
 * watcher's own monotonic clock, is taken for dead. Nobody's wall clock is compared with another's.
 *
 * A watcher that could not look, or that made no progress itself, has no right to judge: whatever kept it may have kept
 * the others too. `holdOff` gives everybody the whole time-out anew; so does every gap between two looks.
 */
export class FailureDetector {
  private readonly options: FailureDetectorOptions
  private readonly watched = new Map<string, Watched>()
  private lastLookMs: number | undefined

  constructor(options: FailureDetectorOptions) {
    this.options = options
  }

  /**
   * Takes in all that Redis knows of the members.
   *
   * @param expected members that should be there: one that is not is timed from now on
   */
  look(beats: ReadonlyMap<string, Beat>, expected: readonly string[], nowMs: number): void {
    if (this.lastLookMs !== undefined && nowMs - this.lastLookMs > this.options.longestGapMs) {
      this.holdOff(nowMs)
    }
    this.lastLookMs = nowMs
    for (const [name, { counter, leaving }] of beats) {
      const known = this.watched.get(name)
      if (known === undefined) this.watched.set(name, { counter, leaving, changedAtMs: nowMs })
      else {
        if (known.counter !== counter) known.changedAtMs = nowMs
        known.counter = counter
        known.leaving = leaving
      }
    }
    const wanted = new Set(expected)
    for (const [name, known] of this.watched) {
      if (beats.has(name)) continue
      if (wanted.has(name)) known.counter = undefined
      else this.watched.delete(name)
    }
    for (const name of wanted) {
      if (!this.watched.has(name)) {
        this.watched.set(name, { counter: undefined, leaving: false, changedAtMs: nowMs })
      }
    }
  }

  /** Everybody has the whole time-out from now on. */
  holdOff(nowMs: number): void {
    for (const known of this.watched.values()) known.changedAtMs = nowMs
  }

  /** Who should own something, sorted: alive at the last look, and not leaving. */
  get staying(): readonly string[] {
    return [...this.watched]
      .filter(([, known]) => this.isAlive(known) && !known.leaving)
      .map(([name]) => name)
      .sort()
  }

  /** Who stood still for too long, with the counters that were seen of them; to be taken out of Redis. */
  get expired(): ReadonlyMap<string, number> {
    const found = new Map<string, number>()
    for (const [name, known] of this.watched) {
      if (known.counter !== undefined && !this.isAlive(known)) found.set(name, known.counter)
    }
    return found
  }

  isExpired(name: string): boolean {
    const known = this.watched.get(name)
    return known !== undefined && !this.isAlive(known)
  }

  /** At the last look: time in which nobody looked proves nothing. */
  private isAlive({ changedAtMs }: Watched): boolean {
    return (this.lastLookMs ?? 0) - changedAtMs < this.options.memberTimeoutMs
  }
}
