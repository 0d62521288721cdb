/** What a member shows of itself: a counter that it raises while it makes progress. */
export interface Beat {
  readonly counter: number
  /** It wants to hand over what it owns, and goes then. */
  readonly leaving: boolean
}

interface Watched {
  /** As it was last seen; undefined: a map names it, and Redis never knew anything of it. */
  counter: number | undefined
  /** Redis knows of it, at the last look. */
  isThere: boolean
  /** A map names it, at the last look. */
  isExpected: boolean
  leaving: boolean
  /** When its counter was last seen to be another. */
  changedAtMs: number
  /** Was dead and has moved again; that it keeps pace shows only when it moves once more in time. */
  onProbation: boolean
}

export interface FailureDetectorOptions {
  readonly memberTimeoutMs: number
  /** Between two looks in a row at most; after a longer gap nobody can say who stood still in it. */
  readonly longestGapMs: number
}

/** Time-outs for which the dead are remembered: whoever comes back later begins anew, as anybody who joins. */
const REMEMBERED_TIMEOUTS = 10

/**
 * Tells the living from the dead by their counters alone: a member whose counter stands still for the time-out, by the
 * watcher's own monotonic clock, is taken for dead. Nobody's wall clock is compared with another's.
 *
 * A watcher that could not look, or that made no progress itself, has no right to judge: whatever kept it may have kept
 * the others too. `holdOff` gives everybody the whole time-out anew; so does every gap between two looks.
 *
 * One that was dead is taken for alive when it has moved twice within a time-out, though it was taken out of Redis and
 * shows itself there anew. Otherwise a member that cannot get on, or whose every beat takes longer than that, would come
 * and go for ever, and partitions with it.
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
    const names = new Set([...this.watched.keys(), ...beats.keys(), ...expected])
    const wanted = new Set(expected)
    for (const name of names) this.see(name, beats.get(name), wanted.has(name), nowMs)
  }

  private see(name: string, beat: Beat | undefined, isExpected: boolean, nowMs: number): void {
    const known = this.watched.get(name) ?? {
      ...{ counter: beat?.counter, isThere: false, isExpected, leaving: false },
      ...{ changedAtMs: nowMs, onProbation: false },
    }
    this.watched.set(name, known)
    known.isThere = beat !== undefined
    known.isExpected = isExpected
    if (beat !== undefined) {
      if (known.counter !== beat.counter) {
        known.onProbation = !this.isFresh(known, nowMs)
        known.changedAtMs = nowMs
      }
      known.counter = beat.counter
      known.leaving = beat.leaving
    } else if (!isExpected && (this.isAlive(known) || this.isLongDead(known, nowMs))) {
      this.watched.delete(name)
    }
  }

  /** Everybody has the whole time-out from now on. */
  holdOff(nowMs: number): void {
    for (const known of this.watched.values()) {
      if (known.isThere || known.isExpected) known.changedAtMs = nowMs
    }
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
      if (known.counter !== undefined && !this.isFresh(known, this.lastLookMs ?? 0))
        found.set(name, known.counter)
    }
    return found
  }

  isExpired(name: string): boolean {
    const known = this.watched.get(name)
    return known !== undefined && !this.isAlive(known)
  }

  /** At the last look: time in which nobody looked proves nothing. */
  private isAlive(known: Watched): boolean {
    return !known.onProbation && this.isFresh(known, this.lastLookMs ?? 0)
  }

  private isLongDead({ changedAtMs }: Watched, nowMs: number): boolean {
    return nowMs - changedAtMs > this.options.memberTimeoutMs * REMEMBERED_TIMEOUTS
  }

  private isFresh({ changedAtMs }: Watched, nowMs: number): boolean {
    return nowMs - changedAtMs < this.options.memberTimeoutMs
  }
}
