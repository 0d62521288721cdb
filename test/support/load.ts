import { setTimeout as sleep } from 'node:timers/promises'
import type { House } from './deployment.ts'
import type { Attempt, Wished } from './history.ts'
import type { Random } from './random.ts'
import { tokenFor } from './tokens.ts'

export interface LoadOptions {
  /** Function servers; each request goes to any of them. Asked anew each time: one that is replaced has another. */
  readonly urls: () => readonly [string, ...string[]]
  readonly house: House
  readonly random: Random
  /** Customers who ask at the same time, anywhere; or one for each section, who asks there and nowhere else. */
  readonly customers?: number | 'one a section'
  /** Milliseconds that one of them waits between a wish and the next. */
  readonly pauseMs?: number
  /** Tries of one wish, all with the same key. */
  readonly tries?: number
}

const ANSWER_WITHIN_MS = 8_000
const RETRY_AFTER_MS = 150
/** Share of the customers who give up after a first no or silence. */
const GIVE_UP = 0.4
/** Share of the accepted who cancel, at once or later. */
const CANCEL = 0.2

/** A load of many customers, each with one wish, and the history of what each was told. */
export class Load {
  readonly history: Wished[] = []
  private readonly options: LoadOptions
  private readonly working: Promise<void>[]
  private isOn = true

  constructor(options: LoadOptions) {
    this.options = options
    const { house, random, customers = 8 } = options
    this.working =
      customers === 'one a section'
        ? house.sectionIds.map((sectionId) => this.work(() => sectionId))
        : Array.from({ length: customers }, () => this.work(() => random.pick(house.sectionIds)))
  }

  /** Lets everybody finish what they have begun. */
  async stop(): Promise<readonly Wished[]> {
    this.isOn = false
    await Promise.all(this.working)
    return this.history
  }

  /** Asks once more what a customer has asked, with the same key. */
  async again(wished: Wished): Promise<Attempt> {
    return this.book(wished, await tokenFor(wished.customer))
  }

  get accepted(): number {
    return this.history.filter(({ attempts }) => attempts.some(({ status }) => status === 202)).length
  }

  private async work(section: () => string): Promise<void> {
    while (this.isOn) {
      await this.wish(section())
      await sleep(this.options.pauseMs ?? 10)
    }
  }

  private async wish(sectionId: string): Promise<void> {
    const { random, house, tries = 4 } = this.options
    const wished = wishOf(house, sectionId, random, this.history.length)
    this.history.push(wished)
    const token = await tokenFor(wished.customer)
    for (let attempt = 1; attempt <= tries; attempt++) {
      const answered = await this.book(wished, token)
      if (answered.status !== 0 && answered.status < 500 && answered.status !== 429) break
      if (random.chance(GIVE_UP)) break
      await sleep(RETRY_AFTER_MS)
    }
    if (wished.attempts.at(-1)?.status === 202 && random.chance(CANCEL)) {
      if (random.chance(0.5)) await sleep(random.whole(0, 200))
      await this.cancel(wished, token)
    }
  }

  private async book(wished: Wished, token: string): Promise<Attempt> {
    const { performanceId, sectionId, seatIds } = wished
    const { attempt, requestId } = await this.send('/bookings', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': wished.key,
      },
      body: JSON.stringify({ performanceId, sectionId, seatIds }),
    })
    wished.attempts.push(attempt)
    wished.requestId ??= requestId
    return attempt
  }

  private async cancel(wished: Wished, token: string): Promise<void> {
    const { attempt } = await this.send(`/bookings/${wished.requestId ?? ''}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    wished.cancels.push(attempt)
  }

  private async send(
    path: string,
    init: RequestInit,
  ): Promise<{ attempt: Attempt; requestId: string | undefined }> {
    const { urls, random } = this.options
    const sentAtMs = performance.now()
    let status = 0
    let body: { requestId?: string; type?: string } = {}
    try {
      const response = await fetch(random.pick(urls()) + path, {
        ...init,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      })
      body = (await response.json()) as typeof body
      status = response.status
    } catch {
      // A server that was killed, or one that does not answer: the customer knows nothing.
    }
    const attempt = {
      sentAtMs,
      answeredAtMs: performance.now(),
      status,
      problem: body.type?.slice(body.type.lastIndexOf(':') + 1),
    }
    return { attempt, requestId: body.requestId }
  }
}

function wishOf(house: House, sectionId: string, random: Random, number: number): Wished {
  const row = random.whole(1, house.rows + 1)
  const first = random.whole(1, house.seats + 1)
  const last = Math.min(house.seats, first + random.whole(0, 3))
  return {
    customer: `${house.performanceId}-customer-${number}`,
    key: `key-${random.whole(0, 1_000_000)}`,
    performanceId: house.performanceId,
    sectionId,
    seatIds: Array.from({ length: last - first + 1 }, (_, i) => `${row}-${first + i}`),
    attempts: [],
    requestId: undefined,
    cancels: [],
  }
}
