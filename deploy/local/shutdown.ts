/** What is to be undone at the end, and how it hurries. */
export interface Undo {
  readonly what: string
  readonly inOrder: () => Promise<void>
  /** What a second Ctrl-C does to it. */
  readonly atOnce?: () => Promise<void>
}

/** npm passes a terminal's Ctrl-C on to us, which has also had it from the terminal: two signals, one key. */
const SAME_KEY_MS = 500

/** Collects what has been brought up, and takes it down again in the opposite order, once. */
export class Shutdown {
  readonly #undos: Undo[] = []
  readonly #log: (line: string) => void
  /** Settles at the first signal. */
  readonly asked: Promise<void>
  #tellAsked: () => void = () => undefined
  #askedAt: number | undefined
  #running: Undo | undefined
  #hurry = false

  constructor(log: (line: string) => void) {
    this.#log = log
    this.asked = new Promise((resolve) => {
      this.#tellAsked = resolve
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        this.#ask()
      })
    }
  }

  isAsked(): boolean {
    return this.#askedAt !== undefined
  }

  add(undo: Undo): void {
    this.#undos.push(undo)
  }

  #ask(): void {
    const now = performance.now()
    if (this.#askedAt === undefined) {
      this.#askedAt = now
      this.#tellAsked()
    } else if (now - this.#askedAt > SAME_KEY_MS && !this.#hurry) {
      this.#hurry = true
      this.#log('Hurrying.')
      if (this.#running === undefined) process.exit(130)
      void this.#running.atOnce?.()
    }
  }

  async run(): Promise<void> {
    this.#askedAt ??= performance.now()
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      this.#running = undo
      this.#log(`Stopping ${undo.what} ...`)
      await (this.#hurry ? (undo.atOnce ?? undo.inOrder) : undo.inOrder)()
    }
  }
}
