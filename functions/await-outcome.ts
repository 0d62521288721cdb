import type { Booking } from '../shared/outcomes.ts'
import type { Answer } from './answer.ts'
import { findBooking, findDecided, parseOutcome } from './find-booking.ts'
import type { RequestContext } from './exchange.ts'
import type { Ports } from './ports.ts'
import { preferredWaitSeconds } from './prefer.ts'
import type { Waiter } from './waiters.ts'

/** A client's wish to wait, granted. */
export interface GrantedWait {
  readonly waiter: Waiter
  readonly seconds: number
}

/** Lets a client wait for a request's outcome; undefined if it does not want to, or too many do. */
export function grantWait(ports: Ports, c: RequestContext, requestId: string): GrantedWait | undefined {
  const seconds = preferredWaitSeconds(c.req.header('prefer'))
  if (seconds === 0) return undefined
  const waiter = ports.waiters.enter(requestId, ports.clientOf(c))
  return waiter && { waiter, seconds }
}

/** The same answer, telling the client that its wish was granted (RFC 7240). */
export function applied(wait: GrantedWait | undefined, answer: Answer): Answer {
  return wait === undefined ? answer : answer.with({ 'preference-applied': `wait=${wait.seconds}` })
}

/**
 * The outcome of a request of the customer's; undefined if it is still open when the time is over. Then the waiter has left.
 * Nothing here awaits: what a suspended function has in hand is kept for as long as it waits.
 */
export function awaitOutcome<Result>(
  ports: Ports,
  { waiter, seconds }: GrantedWait,
  requestId: string,
  customerId: string,
  act: (decided: Booking | undefined) => Result,
): Promise<Result> {
  const look = async (): Promise<Booking | undefined> => {
    const found = await findBooking(ports, requestId, customerId)
    return found.kind === 'found' ? found.booking : undefined
  }
  return waiter.outcome(seconds * 1_000, look).then((booking) => {
    const isDecided =
      booking !== undefined && booking.status !== 'PENDING' && booking.customerId === customerId
    return act(isDecided ? booking : undefined)
  })
}

/**
 * Asks for the outcome of a request that was accepted before to be sent here.
 *
 * @returns the outcome, if it came in between
 */
export async function askForOutcome(
  ports: Ports,
  { waiter }: GrantedWait,
  requestId: string,
  customerId: string,
): Promise<Booking | undefined> {
  const placement = ports.topology.current
  if (waiter.address === undefined || placement === undefined || ports.redis.status !== 'ready')
    return undefined
  const { keys } = placement
  try {
    const [status, outcome] = await ports.scripts.awaitOutcome(
      [keys.record(requestId), keys.outcome(requestId)],
      [waiter.address],
    )
    if (status === 'PENDING') return undefined
    const booking = parseOutcome(outcome)
    if (booking !== undefined || status === '') return booking
    // Decided, and only MySQL knows all of it, as after a cancel: nobody will send anything.
    return await findDecided(ports, requestId, customerId)
  } catch {
    // Then it is found when the time is over.
    return undefined
  }
}
