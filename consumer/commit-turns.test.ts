import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CommitTurns } from './commit-turns.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('are taken one after the other, in the order in which they were asked for', async () => {
  const turns = new CommitTurns(1, 1_000)
  const order: string[] = []
  const take = async (name: string): Promise<() => void> => {
    const end = await turns.take()
    order.push(name)
    return end
  }
  expect(turns.isFree).toBe(true)
  const [first, second, third] = [take('first'), take('second'), take('third')]
  const end = await first
  await vi.advanceTimersByTimeAsync(10)
  expect(order).toEqual(['first'])
  expect(turns.isFree).toBe(false)
  end()
  // Once is enough: the second time gives nobody's turn away.
  end()
  await vi.advanceTimersByTimeAsync(10)
  expect(order).toEqual(['first', 'second'])
  ;(await second)()
  ;(await third)()
  expect(turns.isFree).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

it('end by themselves, so that nobody holds up the others for long', async () => {
  const turns = new CommitTurns(1, 100)
  const end = await turns.take()
  const next = turns.take()
  await vi.advanceTimersByTimeAsync(100)
  const endNext = await next
  // Too late: it is somebody else's turn.
  end()
  expect(turns.isFree).toBe(false)
  endNext()
  expect(turns.isFree).toBe(true)
})
