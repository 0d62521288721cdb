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

  it('is given up if it does not end, or does not come', async () => {
    const endless = bodyOf(Infinity)
    await drainBody({ body: endless.body })
    expect(endless.taken()).toBeLessThan(20 * MB)
    const startedAt = performance.now()
    await drainBody({ body: new ReadableStream() })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

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
