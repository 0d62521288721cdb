import type { ChildProcess } from './child-process.ts'

/** A process that lived this long was healthy: its next death is a new trouble, not the same one. */
const HEALTHY_MS = 10_000
const LONGEST_PAUSE_MS = 5_000

export interface KeptOptions {
  readonly name: string
  /** Runs it again. */
  readonly start: () => Promise<ChildProcess>
  readonly log: (line: string) => void
  /** Told after each new start. */
  readonly onRestart: () => void
}

/** A process that is started again whenever it dies, until it is stopped. */
export class KeptProcess {
  readonly #options: KeptOptions
  #child: ChildProcess
  #startedAt = performance.now()
  #pauseMs = 0
  #stopped = false
  #deaths = 0
  #pause: AbortController | undefined

  private constructor(options: KeptOptions, child: ChildProcess) {
    this.#options = options
    this.#child = child
  }

  /** @param running its present run */
  static begin(options: KeptOptions, running: ChildProcess): KeptProcess {
    const kept = new KeptProcess(options, running)
    void kept.#watch()
    return kept
  }

  get pid(): number {
    return this.#child.pid
  }

  /** How often it has died. */
  get deaths(): number {
    return this.#deaths
  }

  async #watch(): Promise<void> {
    for (;;) {
      const how = await this.#child.ended
      if (this.#isStopped()) return
      this.#deaths += 1
      const healthy = performance.now() - this.#startedAt >= HEALTHY_MS
      this.#pauseMs = healthy ? 0 : Math.min(Math.max(2 * this.#pauseMs, 250), LONGEST_PAUSE_MS)
      this.#options.log(`${this.#options.name} died (${how}); starting it again.`)
      await this.#sleep(this.#pauseMs)
      if (this.#isStopped()) return
      await this.#startAgain()
    }
  }

  /** A start that fails is one more death: the next round of the loop pauses and tries again. */
  async #startAgain(): Promise<void> {
    this.#startedAt = performance.now()
    try {
      this.#child = await this.#options.start()
    } catch (error) {
      this.#options.log(error instanceof Error ? error.message : String(error))
      return
    }
    if (this.#isStopped()) await this.#child.kill()
    else this.#options.onRestart()
  }

  /** Its value changes while a method waits, which the compiler does not see in a field. */
  #isStopped(): boolean {
    return this.#stopped
  }

  async #sleep(ms: number): Promise<void> {
    const pause = new AbortController()
    this.#pause = pause
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      pause.signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    this.#pause?.abort()
    await this.#child.stop(graceMs)
  }

  async kill(): Promise<void> {
    this.#stopped = true
    this.#pause?.abort()
    await this.#child.kill()
  }
}
