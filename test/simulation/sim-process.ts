import type { Clockwork } from './clockwork.ts'

export interface ProcessClock {
  /** Seconds of its monotonic clock in a second of true time. */
  readonly rate: number
  readonly offsetMs: number
  /** By which its wall clock is wrong. */
  readonly wallErrorMs: number
}

/** What becomes of whatever reaches a process: it happens, waits until the process is continued, or never happens. */
export class SimProcess {
  readonly name: string
  private readonly clockwork: Clockwork
  private readonly clock: ProcessClock
  private state: 'running' | 'paused' | 'gone' = 'running'
  private held: (() => void)[] = []

  constructor(name: string, clockwork: Clockwork, clock: ProcessClock) {
    this.name = name
    this.clockwork = clockwork
    this.clock = clock
  }

  get isAlive(): boolean {
    return this.state !== 'gone'
  }

  get isRunning(): boolean {
    return this.state === 'running'
  }

  deliver(run: () => void): void {
    if (this.state === 'running') run()
    else if (this.state === 'paused') this.held.push(run)
  }

  /** As SIGSTOP does. */
  pause(): void {
    if (this.state === 'running') this.state = 'paused'
  }

  /** As SIGCONT does. */
  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'running'
    const { held } = this
    this.held = []
    for (const run of held) {
      this.clockwork.after(0, () => {
        this.deliver(run)
      })
    }
  }

  /** As SIGKILL does, or the end of its main function. */
  end(): void {
    this.state = 'gone'
    this.held = []
  }

  monotonicMs(): number {
    return this.clock.offsetMs + this.clockwork.nowMs * this.clock.rate
  }

  wallMs(): number {
    return 1_795_000_000_000 + this.clockwork.nowMs + this.clock.wallErrorMs
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clockwork.after(ms / this.clock.rate, () => {
        this.deliver(resolve)
      })
    })
  }
}
