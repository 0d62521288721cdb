import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Booking } from '../shared/outcomes.ts'
import type { Client } from './client.ts'
import { Waiters, type ReplyChannel } from './waiters.ts'

const booking = (requestId: string, status: Booking['status'] = 'CONFIRMED'): Booking => ({
  requestId,
  customerId: 'alice',
  performanceId: 'hamlet',
  sectionId: 'A',
  seatIds: ['1-1'],
  status,
  requestedAtUs: 1,
})

class Channel implements ReplyChannel {
  address: string | undefined = 'here'
  onOutcome: (booking: Booking) => void = () => undefined
  onGap: () => void = () => undefined
  listen(onOutcome: (booking: Booking) => void, onGap: () => void): void {
    this.onOutcome = onOutcome
    this.onGap = onGap
  }
}

const never: Client = { isGone: false, whenGone: () => undefined, forget: () => undefined }
const nothing = () => Promise.resolve(undefined)

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('where somebody listens', () => {
  it('ends a wait with what is sent, also if that came before anybody looked', async () => {
    const channel = new Channel()
    const waiters = new Waiters(channel, 10)
    const [first, second, other] = ['a', 'a', 'b'].map((id) => waiters.enter(id, never))
    channel.onOutcome(booking('a'))
    expect(await first?.outcome(1_000, nothing)).toMatchObject({ requestId: 'a' })
    expect(await second?.outcome(1_000, nothing)).toMatchObject({ requestId: 'a' })
    const waiting = other?.outcome(1_000, nothing)
    channel.onOutcome(booking('c'))
    channel.onOutcome(booking('b'))
    expect(await waiting).toMatchObject({ requestId: 'b' })
    for (const waiter of [first, second, other]) waiter?.leave()
    expect(waiters.size).toBe(0)
  })

  it('looks once more when the time is over, because messages may be lost, and not before', async () => {
    const waiters = new Waiters(new Channel(), 10)
    const look = vi.fn(() => Promise.resolve(booking('a')))
    const waiting = waiters.enter('a', never)?.outcome(5_000, look)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(look).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(await waiting).toMatchObject({ status: 'CONFIRMED' })
    expect(look).toHaveBeenCalledOnce()
  })

  it('looks at once when something may have been missed, and goes on if it is still open', async () => {
    const channel = new Channel()
    const waiters = new Waiters(channel, 10)
    let status: Booking['status'] = 'PENDING'
    const waiting = waiters.enter('a', never)?.outcome(5_000, () => Promise.resolve(booking('a', status)))
    channel.onGap()
    await vi.advanceTimersByTimeAsync(0)
    status = 'REJECTED'
    channel.onGap()
    expect(await waiting).toMatchObject({ status: 'REJECTED' })
  })
})

it.each([
  ['nobody can listen', undefined],
  ['nobody listens now', Object.assign(new Channel(), { address: undefined })],
])('where %s, it looks for the outcome', async (_, channel) => {
  const waiters = new Waiters(channel, 10)
  let status: Booking['status'] = 'PENDING'
  const look = vi.fn(() => Promise.resolve(booking('a', status)))
  const waiter = waiters.enter('a', never)
  expect(waiter?.address).toBeUndefined()
  const waiting = waiter?.outcome(5_000, look)
  await vi.advanceTimersByTimeAsync(600)
  status = 'CONFIRMED'
  await vi.advanceTimersByTimeAsync(250)
  expect(await waiting).toMatchObject({ status: 'CONFIRMED' })
  expect(look).toHaveBeenCalledTimes(3)
})

it('who asked while nobody listened goes on looking when somebody does', async () => {
  const channel = Object.assign(new Channel(), { address: undefined as string | undefined })
  const waiters = new Waiters(channel, 10)
  let status: Booking['status'] = 'PENDING'
  const waiting = waiters.enter('a', never)?.outcome(5_000, () => Promise.resolve(booking('a', status)))
  channel.address = 'here'
  await vi.advanceTimersByTimeAsync(300)
  status = 'CONFIRMED'
  await vi.advanceTimersByTimeAsync(250)
  expect(await waiting).toMatchObject({ status: 'CONFIRMED' })
})

describe('whoever waits', () => {
  it('is one of a bounded number', () => {
    const waiters = new Waiters(new Channel(), 2)
    const [first, , third] = ['a', 'b', 'c'].map((id) => waiters.enter(id, never))
    expect(third).toBeUndefined()
    first?.leave()
    first?.leave()
    expect(waiters.size).toBe(1)
    expect(waiters.enter('d', never)).toBeDefined()
  })

  it('is let go at once when the client hangs up or the server stops', async () => {
    const waiters = new Waiters(new Channel(), 10)
    const client: { isGone: boolean; hangUp: () => void } = { isGone: false, hangUp: () => undefined }
    const line: Client = {
      get isGone() {
        return client.isGone
      },
      whenGone(act) {
        client.hangUp = act
      },
      forget: () => undefined,
    }
    const hungUp = waiters.enter('a', line)?.outcome(5_000, nothing)
    const early = waiters.enter('a', line)
    client.isGone = true
    client.hangUp()
    expect(await hungUp).toBeUndefined()
    expect(await early?.outcome(5_000, nothing)).toBeUndefined()
    expect(waiters.enter('a', line)).toBeUndefined()
    const stopped = waiters.enter('b', never)?.outcome(5_000, nothing)
    const late = waiters.enter('c', never)
    waiters.close()
    expect(await stopped).toBeUndefined()
    expect(await late?.outcome(5_000, nothing)).toBeUndefined()
    expect(waiters.enter('d', never)).toBeUndefined()
  })

  it('hears of an error instead of waiting for ever', async () => {
    const waiters = new Waiters(undefined, 10)
    const waiting = waiters.enter('a', never)?.outcome(5_000, () => Promise.reject(new Error('broken')))
    const told = expect(waiting).rejects.toThrow('broken')
    await vi.advanceTimersByTimeAsync(250)
    await told
  })
})
