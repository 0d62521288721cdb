import type { Booking } from '../shared/outcomes.ts'
import { findBooking, parseOutcome } from './find-booking.ts'
import type { RequestContext } from './exchange.ts'
import type { Ports } from './ports.ts'
import { preferredWaitSeconds } from './prefer.ts'
import type { Waiter } from './waiters.ts'

/** A client's wish to wait, granted. */
export interface GrantedWait extends Waiter {
  readonly seconds: number
  /** What tells the client (RFC 7240). */
  readonly headers: Readonly<Record<string, string>>
}

/** Lets a client wait for a request's outcome; undefined if it does not want to, or too many do. */
export function grantWait(ports: Ports, c: RequestContext, requestId: string): GrantedWait | undefined {
  const seconds = preferredWaitSeconds(c.req.header('prefer'))
  if (seconds === 0) return undefined
  const waiter = ports.waiters.enter(requestId, ports.clientOf(c))
  return waiter && { ...waiter, seconds, headers: { 'preference-applied': `wait=${seconds}` } }
}

/** The outcome of a request of the customer's; undefined if it is still open when the time is over. */
export async function awaitOutcome(
  ports: Ports,
  wait: GrantedWait,
  requestId: string,
  customerId: string,
): Promise<Booking | undefined> {
  const look = async (): Promise<Booking | undefined> => {
    const found = await findBooking(ports, requestId, customerId)
    return found.kind === 'found' ? found.booking : undefined
  }
  const booking = await wait.outcome(wait.seconds * 1_000, look)
  const isDecided = booking !== undefined && booking.status !== 'PENDING' && booking.customerId === customerId
  return isDecided ? booking : undefined
}

/**
 * Asks for the outcome of a request that was accepted before to be sent here.
 *
 * @returns the outcome, if it came in between
 */
export async function askForOutcome(
  ports: Ports,
  wait: GrantedWait,
  requestId: string,
): Promise<Booking | undefined> {
  const placement = ports.topology.current
  if (wait.address === undefined || placement === undefined || ports.redis.status !== 'ready')
    return undefined
  const { keys } = placement
  try {
    const [status, outcome] = await ports.scripts.awaitOutcome(
      [keys.record(requestId), keys.outcome(requestId)],
      [wait.address],
    )
    return status === 'PENDING' ? undefined : parseOutcome(outcome)
  } catch {
    // Then it is found when the time is over.
    return undefined
  }
}
