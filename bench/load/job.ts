import type { Plan } from './plan.ts'

/**
 * - `closed`: so many customers, each of whom asks again as soon as the last request has come to its end. Finds out how
 *   much a server can do.
 * - `open`: requests arrive by the clock, however the server does. Their times count from the arrival that was due, so
 *   that a server that stands still does not hide those who would have come meanwhile (coordinated omission).
 */
export type Pace =
  | { readonly kind: 'closed'; readonly customers: number }
  | {
      readonly kind: 'open'
      readonly perSecond: number
      /** An arrival that finds no connection for so long goes away. */
      readonly patienceMs: number
      /** Arrivals of the first so many milliseconds are timed apart: they meet what nobody has asked for yet. */
      readonly openingMs?: number
    }

/** Where a booking ends for its customer: at the answer, or at the outcome that polling or waiting brings. */
export type Until = 'answer' | 'polled' | 'waited'

/** One load, as the generator's process is told. */
export interface Job {
  /** Of one server each; connections are spread evenly over them. */
  readonly ports: readonly number[]
  readonly plan: Plan
  readonly tokens: readonly string[]
  readonly pace: Pace
  readonly until: Until
  readonly connections: number
  /** Number of the first request. */
  readonly first: number
  /** Requests at most. */
  readonly count: number
  /** No new request after so many seconds. */
  readonly seconds: number
  readonly historyFile?: string
}

export interface Latency {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly max: number
}

export interface LoadReport {
  /** How many requests ended in which way. */
  readonly told: Readonly<Record<string, number>>
  /** The same by HTTP status of the first answer. */
  readonly statuses: Readonly<Record<string, number>>
  readonly sent: number
  /** From the first request to the last end. */
  readonly seconds: number
  /** From the first request to the last that was answered `2xx`. */
  readonly acceptedSeconds: number
  readonly httpRequests: number
  /** Milliseconds to the end of a request; of an open loop from the arrival that was due. Only those that were not refused. */
  readonly latencyMs: Latency
  /** The same of those who came in an open loop's opening, of whom the other says nothing. */
  readonly openingMs: Latency
  /** Ended later than a second after their arrival. */
  readonly late: number
  readonly cpuSeconds: number
}
