import { build, type Histogram } from 'hdr-histogram-js'
import { History, type Told } from './history.ts'
import type { Latency, LoadReport } from './job.ts'
import type { End } from './customer.ts'

const LATE_MS = 1_000
/** Microseconds, up to two minutes, to three digits. */
const HIGHEST_US = 120_000_000

const newHistogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  })

/** What came of a load's requests. */
export class Tally {
  readonly history: History | undefined
  readonly #latency = newHistogram()
  readonly #opening = newHistogram()
  readonly #told = new Map<Told, number>()
  readonly #statuses = new Map<number, number>()
  readonly #startedMs = performance.now()
  /** Whoever came before then is timed apart. */
  readonly #openedMs: number
  readonly #cpu = process.cpuUsage()
  #lastEndMs = this.#startedMs
  #lastAcceptedMs = this.#startedMs
  #late = 0
  #ended = 0

  constructor(keepHistory: boolean, openingMs = 0) {
    this.history = keepHistory ? new History() : undefined
    this.#openedMs = this.#startedMs + openingMs
  }

  get startedMs(): number {
    return this.#startedMs
  }

  /** @param sinceMs when it was sent, or was due */
  end(request: number, { told, requestId, status }: End, sinceMs: number): void {
    const now = performance.now()
    this.#ended += 1
    this.#lastEndMs = now
    this.#told.set(told, (this.#told.get(told) ?? 0) + 1)
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
    if (status >= 200 && status < 300) this.#lastAcceptedMs = now
    if (told !== 'unsent' && told !== 'refused' && told !== 'unanswered') {
      const histogram = sinceMs < this.#openedMs ? this.#opening : this.#latency
      histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round((now - sinceMs) * 1_000))))
      if (now - sinceMs > LATE_MS) this.#late += 1
    }
    this.history?.note(request, told, requestId)
  }

  report(httpRequests: number): LoadReport {
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      told: Object.fromEntries(this.#told),
      statuses: Object.fromEntries(this.#statuses),
      sent: this.#ended - (this.#told.get('unsent') ?? 0),
      seconds: (this.#lastEndMs - this.#startedMs) / 1_000,
      acceptedSeconds: (this.#lastAcceptedMs - this.#startedMs) / 1_000,
      httpRequests,
      latencyMs: percentilesOf(this.#latency),
      openingMs: percentilesOf(this.#opening),
      late: this.#late,
      cpuSeconds: (user + system) / 1e6,
    }
  }
}

function percentilesOf(histogram: Histogram): Latency {
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000
  return { p50: at(50), p90: at(90), p99: at(99), 'p99.9': at(99.9), max: at(100) }
}
