/** Longer than a frozen owner can hold locks (5 s) and a claim waits for them (3 s), which no other consumer could mend. */
const PATIENCE_MS = 10_000

/** How long one that could not work stays away before it tries again. */
const REST_MS = 60_000

/**
 * Whether a consumer whose MySQL answers can also work. One that beats and cannot claim (a user without rights, a pool
 * that gets no connection), or whose loops do not get round (a Redis that refuses to be read), would keep its share of
 * the partitions for ever. It gives way, and tries again after a rest: at once it would come and go.
 */
export class Fitness {
  private readonly outageMs: number
  private failingSinceMs: number | undefined
  private stuckSinceMs: number | undefined
  private restsUntilMs = -Infinity
  private isRedisAway = false
  /** When the first of the probes was sent that MySQL has not answered since. */
  private silentSinceMs: number | undefined

  /** @param outageMs MySQL that is silent for as long is away for others too; a single probe may fail for any reason */
  constructor(outageMs: number) {
    this.outageMs = outageMs
  }

  /** Gives way to the others, until it tries again. */
  get isResting(): boolean {
    return this.restsUntilMs > -Infinity
  }

  /** @param worked every partition that was asked for was answered */
  claimed(worked: boolean, nowMs: number): void {
    if (worked) this.failingSinceMs = undefined
    else this.failingSinceMs ??= nowMs
  }

  /**
   * MySQL did not answer a probe. If that lasts, nobody can claim, and no loop gets round. An outage of MySQL makes nobody
   * unfit either: what failed before it and in it is asked again.
   */
  probeFailed(askedAtMs: number): void {
    this.silentSinceMs ??= askedAtMs
  }

  /**
   * An outage of Redis stops everybody's loops and makes nobody unfit: else all would rest together, and nobody would take
   * over from whoever dies then. One whom alone Redis does not answer shows no beats either.
   *
   * @param answered Redis has answered with the members' beats
   */
  exchanged(answered: boolean): void {
    this.isRedisAway = !answered
  }

  /**
   * @param loopsGetRound as a probe found it that MySQL answered
   * @param isAlone no other consumer shows that it is alive: there is nobody to give way to, and partitions would stand
   *   still until the rest is over
   * @returns whether it should go on showing that it is alive
   */
  judge(loopsGetRound: boolean, nowMs: number, isAlone: boolean): boolean {
    if (this.silentSinceMs !== undefined && nowMs - this.silentSinceMs >= this.outageMs) {
      this.failingSinceMs = undefined
      this.stuckSinceMs = undefined
    }
    this.silentSinceMs = undefined
    if (loopsGetRound || this.isRedisAway) this.stuckSinceMs = undefined
    else this.stuckSinceMs ??= nowMs
    // A loop was late for as long already when the probe called it stuck; after an outage it gets round sooner.
    const isStuck = this.stuckSinceMs !== undefined && nowMs - this.stuckSinceMs > PATIENCE_MS / 2
    const isFailing = this.failingSinceMs !== undefined && nowMs - this.failingSinceMs > PATIENCE_MS
    if (isStuck || isFailing) {
      this.restsUntilMs = nowMs + REST_MS
      this.failingSinceMs = undefined
      this.stuckSinceMs = undefined
    }
    if (isAlone || nowMs >= this.restsUntilMs) this.restsUntilMs = -Infinity
    return loopsGetRound && !this.isResting
  }
}
