import type { Booking } from '../shared/outcomes.ts'
import type { Client } from './client.ts'

/** How outcomes reach those who wait for them, where the platform has a process that can listen. */
export interface ReplyChannel {
  /** Where outcomes may be sent to now; undefined while nobody can listen there. */
  readonly address: string | undefined
  /** Who hears of outcomes, and of gaps after which some may have been missed. Set once. */
  listen(onOutcome: (booking: Booking) => void, onGap: () => void): void
}

/** Somebody who waits for one request's outcome. Must leave in the end, unless it was heard. */
export interface Waiter {
  /** Where the outcome is to be sent; undefined: it has to be looked for. */
  readonly address: string | undefined
  /**
   * Waits until the outcome is there, or cannot come any more: too late, hung up, shutting down. Leaves then. Called once.
   *
   * @param look reads how the request stands
   * @returns undefined if it is still open
   */
  outcome(waitMs: number, look: () => Promise<Booking | undefined>): Promise<Booking | undefined>
  leave(): void
}

/** Between two looks where no outcome is sent: short for one who waits, long for Redis. */
const LOOK_EVERY_MS = 250

/**
 * All who wait on this instance, bounded. What is sent is only a shortcut: messages may be lost, so everybody looks once
 * more before giving up, and all look when a gap is known.
 */
export class Waiters {
  private readonly channel: ReplyChannel | undefined
  private readonly limit: number
  /** A list each, because several may wait for the same request. */
  private readonly byRequest = new Map<string, Waiting[]>()
  private count = 0
  private closed = false

  constructor(channel: ReplyChannel | undefined, limit: number) {
    this.channel = channel
    this.limit = limit
    channel?.listen(
      (booking) => {
        for (const waiting of [...(this.byRequest.get(booking.requestId) ?? [])]) waiting.end(booking)
      },
      () => {
        for (const waiting of this.all()) waiting.lookNow()
      },
    )
  }

  get size(): number {
    return this.count
  }

  /** Before the request is sent, so that no outcome can come too early. Undefined: no more may wait. */
  enter(requestId: string, client: Client): Waiter | undefined {
    if (this.closed || this.count >= this.limit || client.isGone) return undefined
    const waiting = new Waiting(this, requestId, client, this.channel?.address)
    this.count += 1
    const others = this.byRequest.get(requestId)
    if (others === undefined) this.byRequest.set(requestId, [waiting])
    else others.push(waiting)
    return waiting
  }

  get isClosed(): boolean {
    return this.closed
  }

  remove(waiting: Waiting): void {
    const all = this.byRequest.get(waiting.requestId)
    const at = all?.indexOf(waiting) ?? -1
    if (all === undefined || at < 0) return
    this.count -= 1
    if (all.length === 1) this.byRequest.delete(waiting.requestId)
    else all.splice(at, 1)
  }

  /** Lets everybody go with what is known. Nobody may wait from now on. */
  close(): void {
    this.closed = true
    for (const waiting of this.all()) waiting.end(undefined)
  }

  private all(): Waiting[] {
    return [...this.byRequest.values()].flatMap((waiting) => [...waiting])
  }
}

/**
 * One who waits. An object with methods and not a handful of closures: it lives as long as the wait, and with thousands
 * of them the young objects that a collection has to copy are what waiting costs.
 */
class Waiting implements Waiter {
  readonly requestId: string
  /** Kept: who had none when it asked gets no message, also if somebody can listen by now. */
  readonly address: string | undefined
  private readonly room: Waiters
  private readonly client: Client
  private readonly hungUp = (): void => {
    this.end(undefined)
  }
  private early: Booking | undefined
  private look: (() => Promise<Booking | undefined>) | undefined
  private resolve: ((booking: Booking | undefined) => void) | undefined
  private reject: ((error: Error) => void) | undefined
  private deadline: NodeJS.Timeout | undefined
  private looking: NodeJS.Timeout | undefined

  constructor(room: Waiters, requestId: string, client: Client, address: string | undefined) {
    this.room = room
    this.requestId = requestId
    this.client = client
    this.address = address
  }

  outcome(waitMs: number, look: () => Promise<Booking | undefined>): Promise<Booking | undefined> {
    if (this.early !== undefined || this.room.isClosed || this.client.isGone) {
      this.leave()
      return Promise.resolve(this.early)
    }
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
      this.look = look
      this.deadline = setTimeout(lookAtLast, waitMs, this)
      this.client.whenGone(this.hungUp)
      if (this.address === undefined) this.lookLater()
    })
  }

  /** Ends the wait with an outcome, or without. Before it has begun: what it will find. */
  end(booking: Booking | undefined): void {
    if (this.resolve === undefined) this.early ??= booking
    else this.finish(this.resolve, booking)
  }

  /** Looks before it is due. */
  lookNow(isLast = false): void {
    clearTimeout(this.looking)
    this.look?.().then(
      (found) => {
        if (this.resolve === undefined) return
        if (isLast || (found !== undefined && found.status !== 'PENDING')) this.end(found)
        else if (this.address === undefined) this.lookLater()
      },
      (error: unknown) => {
        const failed = error instanceof Error ? error : new Error('looking failed', { cause: error })
        if (this.reject !== undefined) this.finish(this.reject, failed)
      },
    )
  }

  leave(): void {
    this.room.remove(this)
  }

  private finish<Result>(settle: (result: Result) => void, result: Result): void {
    clearTimeout(this.deadline)
    clearTimeout(this.looking)
    this.client.forget(this.hungUp)
    this.look = this.resolve = this.reject = undefined
    this.leave()
    settle(result)
  }

  private lookLater(): void {
    this.looking = setTimeout(lookAgain, LOOK_EVERY_MS, this)
  }
}

function lookAgain(waiting: Waiting): void {
  waiting.lookNow()
}

function lookAtLast(waiting: Waiting): void {
  waiting.lookNow(true)
}
