/**
 * The longest wait that is granted, in seconds: shorter than the half minute after which gateways and load balancers
 * give up on an answer.
 */
export const MAX_WAIT_SECONDS = 20

/** `wait=10` or `wait="10"` among the preferences of a header (RFC 7240); of several the first counts. */
const WAIT = /(?:^|,)\s*wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?=$|[,;])/i

/** Seconds that a client is willing to wait for the outcome, as far as they are granted; 0: none. */
export function preferredWaitSeconds(header: string | undefined): number {
  if (header === undefined) return 0
  const [, quoted, bare] = WAIT.exec(header.slice(0, 1_000)) ?? []
  return Math.min(Number(quoted ?? bare ?? 0), MAX_WAIT_SECONDS)
}
