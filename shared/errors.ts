/**
 * What can go wrong in Frontrow itself, as a closed set. Refusals that are part of the service (a seat
 * is taken, a rate is exceeded) are values, not errors.
 */
const errorCodes = {
  CONFIG_INVALID: { retryable: false },
  TOPOLOGY_DIFFERS: { retryable: false },
  TOPOLOGY_UNKNOWN: { retryable: true },
  REDIS_UNAVAILABLE: { retryable: true },
  MYSQL_UNAVAILABLE: { retryable: true },
  CATALOGUE_CONFLICT: { retryable: true },
  ASSIGNMENT_INVALID: { retryable: false },
  GENERATION_TAKEN: { retryable: true },
} as const

export type ErrorCode = keyof typeof errorCodes

export class FrontrowError extends Error {
  override readonly name = 'FrontrowError'
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = errorCodes[code].retryable
  }
}
