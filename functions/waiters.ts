import type { Booking } from '../shared/outcomes.ts'
import type { Client } from './client.ts'

/** How outcomes reach those who wait for them, where the platform has a process that can listen. */
export interface ReplyChannel {
  /** Where outcomes may be sent to now; undefined while nobody can listen there. */
  readonly address: string | undefined
  /** Who hears of outcomes, and of gaps after which some may have been missed. Set once. */
  listen(onOutcome: (booking: Booking) => void, onGap: () => void): void
}

/** Somebody who waits for one request's outcome. Must leave in the end, whatever happens. */
export interface Waiter {
  /** Where the outcome is to be sent; undefined: it has to be looked for. */
  readonly address: string | undefined
  /**
   * Waits until the outcome is there, or cannot come any more: too late, hung up, shutting down.
   *
   * @param look reads how the request stands
   * @returns undefined if it is still open
   */
  outcome(waitMs: number, look: () => Promise<Booking | undefined>): Promise<Booking | undefined>
  leave(): void
}

/** Between two looks where no outcome is sent: short for one who waits, long for Redis. */
const LOOK_EVERY_MS = 250

interface Waiting {
  readonly requestId: string
  /** Ends the wait with an outcome, or without. */
  end: (booking: Booking | undefined) => void
  /** Looks before it is due. */
  hurry: () => void
}

/**
 * All who wait on this instance, bounded. What is sent is only a shortcut: messages may be lost, so everybody looks once
 * more before giving up, and all look when a gap is known.
 */
export class Waiters {
  private readonly channel: ReplyChannel | undefined
  private readonly limit: number
  private readonly byRequest = new Map<string, Set<Waiting>>()
  private count = 0
  private closed = false

  constructor(channel: ReplyChannel | undefined, limit: number) {
    this.channel = channel
    this.limit = limit
    channel?.listen(
      (booking) => {
        for (const waiting of this.byRequest.get(booking.requestId) ?? []) waiting.end(booking)
      },
      () => {
        for (const waiting of this.all()) waiting.hurry()
      },
    )
  }

  get size(): number {
    return this.count
  }

  /** Before the request is sent, so that no outcome can come too early. Undefined: no more may wait. */
  enter(requestId: string, client: Client): Waiter | undefined {
    if (this.closed || this.count >= this.limit || client.isGone) return undefined
    let early: Booking | undefined
    const waiting: Waiting = {
      requestId,
      end: (booking) => (early ??= booking),
      hurry: () => undefined,
    }
    this.add(waiting)
    return {
      address: this.channel?.address,
      outcome: async (waitMs, look) => {
        if (early !== undefined || this.closed) return early
        const everyMs = this.channel?.address === undefined ? LOOK_EVERY_MS : undefined
        return wait(waiting, { waitMs, everyMs, look, client })
      },
      leave: () => {
        this.remove(waiting)
      },
    }
  }

  /** Lets everybody go with what is known. Nobody may wait from now on. */
  close(): void {
    this.closed = true
    for (const waiting of this.all()) waiting.end(undefined)
  }

  private all(): Waiting[] {
    return [...this.byRequest.values()].flatMap((waiting) => [...waiting])
  }

  private add(waiting: Waiting): void {
    this.count += 1
    const others = this.byRequest.get(waiting.requestId)
    if (others === undefined) this.byRequest.set(waiting.requestId, new Set([waiting]))
    else others.add(waiting)
  }

  private remove(waiting: Waiting): void {
    const all = this.byRequest.get(waiting.requestId)
    if (all?.delete(waiting) !== true) return
    this.count -= 1
    if (all.size === 0) this.byRequest.delete(waiting.requestId)
  }
}

interface Wait {
  readonly waitMs: number
  /** Undefined: looks only when it is hurried, and at the end. */
  readonly everyMs: number | undefined
  readonly look: () => Promise<Booking | undefined>
  readonly client: Client
}

function wait(waiting: Waiting, { waitMs, everyMs, look, client }: Wait): Promise<Booking | undefined> {
  return new Promise((resolve, reject) => {
    let looking: NodeJS.Timeout | undefined
    let ended = false
    const cleanUp = (): void => {
      ended = true
      clearTimeout(deadline)
      clearTimeout(looking)
      stopListening()
    }
    const end = (booking: Booking | undefined): void => {
      cleanUp()
      resolve(booking)
    }
    const hungUp = (): void => {
      end(undefined)
    }
    const lookNow = (isLast: boolean): void => {
      clearTimeout(looking)
      look().then(
        (found) => {
          if (ended) return
          if (isLast || (found !== undefined && found.status !== 'PENDING')) end(found)
          else if (everyMs !== undefined) lookLater(everyMs)
        },
        (error: unknown) => {
          cleanUp()
          reject(error instanceof Error ? error : new Error('looking failed', { cause: error }))
        },
      )
    }
    const lookLater = (ms: number): void => {
      looking = setTimeout(() => {
        lookNow(false)
      }, ms)
    }
    const deadline = setTimeout(() => {
      lookNow(true)
    }, waitMs)
    const stopListening = client.whenGone(hungUp)
    waiting.end = end
    waiting.hurry = () => {
      lookNow(false)
    }
    if (everyMs !== undefined) lookLater(everyMs)
    if (client.isGone) hungUp()
  })
}
