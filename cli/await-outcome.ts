import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError } from 'commander'
import type { Api, Reply } from './api.ts'
import { bookingViewSchema, type BookingView } from './report.ts'

/** A server that can wait holds the answer back; one that cannot is asked this often. */
const POLL_MS = 250
/** Longest wait that is asked of a server at a time, in seconds. */
const MAX_PREFERENCE_S = 10
/** Seconds that `--wait` without a number means. */
const DEFAULT_WAIT_S = 10
const MAX_WAIT_S = 600

export const waitOption = [
  '--wait [seconds]',
  `wait for the outcome (${DEFAULT_WAIT_S} s, if not said otherwise)`,
] as const

export function parseWait(text: string): number {
  const seconds = Number(text)
  if (seconds >= 0 && seconds <= MAX_WAIT_S) return seconds
  throw new InvalidArgumentError(`It must be a number of seconds from 0 to ${MAX_WAIT_S}.`)
}

/** Seconds of the option as commander has it: `true` for `--wait` alone. */
export function waitSeconds(option: number | true | undefined): number {
  return option === true ? DEFAULT_WAIT_S : (option ?? 0)
}

export function preference(seconds: number): Readonly<Record<string, string>> {
  const whole = Math.min(Math.floor(seconds), MAX_PREFERENCE_S)
  return whole > 0 ? { prefer: `wait=${whole}` } : {}
}

/** Asks for a booking until it is as it should be, or the time is up. */
export async function awaitBooking(
  api: Api,
  requestId: string,
  isSettled: (booking: BookingView) => boolean,
  seconds: number,
): Promise<Reply> {
  const deadline = performance.now() + seconds * 1_000
  for (;;) {
    const leftMs = deadline - performance.now()
    const reply = await api.ask({
      method: 'GET',
      path: `/bookings/${encodeURIComponent(requestId)}`,
      headers: preference(leftMs / 1_000),
    })
    const booking = reply.kind === 'answer' ? bookingViewSchema.safeParse(reply.body).data : undefined
    if ((booking !== undefined && isSettled(booking)) || (reply.kind === 'answer' && reply.status >= 400))
      return reply
    if (performance.now() + POLL_MS >= deadline) return reply
    await sleep(POLL_MS)
  }
}
