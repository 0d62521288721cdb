/** What customers asked and what they were told, as it happened. The judge reads it afterwards. */

/** One HTTP request and its answer. */
export interface Attempt {
  /** Milliseconds of one monotonic clock. */
  readonly sentAtMs: number
  readonly answeredAtMs: number
  /** 0: no answer came. */
  readonly status: number
  /** Of a problem: its type's last word. */
  readonly problem: string | undefined
}

/** One customer's wish: a customer has one wish only, so that a row of a database tells whose it is. */
export interface Wished {
  readonly customer: string
  readonly key: string
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
  readonly attempts: Attempt[]
  /** As the answers named it. */
  requestId: string | undefined
  readonly cancels: Attempt[]
}

const YES: ReadonlySet<number> = new Set([200, 202])
const NO: ReadonlySet<number> = new Set([409, 429, 503])

export function wasAccepted(attempts: readonly Attempt[]): boolean {
  return attempts.some(({ status }) => YES.has(status))
}

/** Every answer was a clear no. Silence and `504` are not. */
export function wasRefused(attempts: readonly Attempt[]): boolean {
  return attempts.length > 0 && attempts.every(({ status }) => NO.has(status))
}

export function acceptedAtMs(wished: Wished): number | undefined {
  return wished.attempts.find(({ status }) => YES.has(status))?.answeredAtMs
}

/** A wish and its answers in one line, for whoever looks into a failure. */
export function tell(wished: Wished): string {
  const { customer, sectionId, seatIds, requestId, attempts, cancels } = wished
  const told = ({ sentAtMs, answeredAtMs, status, problem }: Attempt): string =>
    `${Math.round(sentAtMs)}..${Math.round(answeredAtMs)} ${status === 0 ? 'nothing' : status}${problem === undefined ? '' : ` ${problem}`}`
  const cancelled = cancels.length === 0 ? '' : `; cancel ${cancels.map(told).join(', ')}`
  return `${customer} ${requestId ?? '(no id)'} ${sectionId} ${seatIds.join(',')}: ${attempts.map(told).join(', ')}${cancelled}`
}
