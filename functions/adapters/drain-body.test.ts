import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { drainBody } from './drain-body.ts'

const MB = 1_024 * 1_024

/** A body that notes how much of it was taken. */
function bodyOf(megabytes: number): { body: ReadableStream<Uint8Array<ArrayBuffer>>; taken: () => number } {
  let taken = 0
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (taken >= megabytes * MB) controller.close()
      else controller.enqueue(new Uint8Array(MB))
      taken += MB
    },
  })
  return { body, taken: () => taken }
}

describe('what is left of a body', () => {
  it('is read to its end', async () => {
    const { body, taken } = bodyOf(9)
    await drainBody({ body })
    expect(taken()).toBeGreaterThanOrEqual(9 * MB)
  })

  it('is given up if it does not end', async () => {
    const endless = bodyOf(40)
    await drainBody({ body: endless.body })
    expect(endless.taken()).toBeGreaterThanOrEqual(16 * MB)
    expect(endless.taken()).toBeLessThan(20 * MB)
  })

  it('is given up if it does not come, and whoever sends it is told', async () => {
    const startedAt = performance.now()
    let isTold = false
    const body = new ReadableStream({
      cancel() {
        isTold = true
      },
    })
    await drainBody({ body })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(isTold).toBe(true)
  }, 10_000)

  it('is given up after a second, however steadily it trickles', async () => {
    let taken = 0
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        await sleep(100)
        if (taken++ >= 50) controller.close()
        else controller.enqueue(new Uint8Array(1))
      },
    })
    await drainBody({ body })
    expect(taken).toBeGreaterThan(1)
    expect(taken).toBeLessThan(30)
  }, 10_000)

  it('may be nothing, somebody else’s, or broken', async () => {
    await drainBody({ body: null })
    const { body, taken } = bodyOf(3)
    body.getReader()
    await drainBody({ body })
    expect(taken()).toBeLessThan(3 * MB)
    await drainBody({
      body: new ReadableStream({
        pull() {
          throw new Error('hung up')
        },
      }),
    })
  })
})
