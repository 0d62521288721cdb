import { describe, expect, it } from 'vitest'
import { sharedReads } from './shared-reads.ts'

/** Reads that end when they are told to. */
function heldReads() {
  const begun: { name: string; end: (found: string) => void; fail: (error: Error) => void }[] = []
  const share = sharedReads<string>()
  const ask = (name: string) =>
    share(
      name,
      () =>
        new Promise<string>((end, fail) => {
          begun.push({ name, end, fail })
        }),
    )
  return { ask, begun }
}

const passed = () => new Promise((resolve) => setImmediate(resolve))

describe('shared reads', () => {
  it('let those who ask during a read share the one that begins after it', async () => {
    const { ask, begun } = heldReads()
    const first = ask('A')
    const others = [ask('A'), ask('A'), ask('A')]
    await passed()
    expect(begun).toHaveLength(1)
    begun[0]?.end('before')
    expect(await first).toBe('before')
    await passed()
    expect(begun).toHaveLength(2)
    const later = ask('A')
    begun[1]?.end('after')
    expect(await Promise.all(others)).toEqual(['after', 'after', 'after'])
    await passed()
    expect(begun).toHaveLength(3)
    begun[2]?.end('last')
    expect(await later).toBe('last')
  })

  it('never show what was so before one asked', async () => {
    let now = 0
    const share = sharedReads<number>()
    const read = async () => {
      const seen = now
      await passed()
      return seen
    }
    const asked = Array.from({ length: 50 }, async () => {
      const before = ++now
      expect(await share('A', read)).toBeGreaterThanOrEqual(before)
    })
    await Promise.all(asked)
  })

  it('keep different things apart', async () => {
    const { ask, begun } = heldReads()
    const both = [ask('A'), ask('B')]
    begun[1]?.end('b')
    begun[0]?.end('a')
    expect(await Promise.all(both)).toEqual(['a', 'b'])
    expect(begun.map(({ name }) => name)).toEqual(['A', 'B'])
  })

  it('tell of an error only those whose read it was', async () => {
    const { ask, begun } = heldReads()
    const failing = ask('A')
    const next = ask('A')
    begun[0]?.fail(new Error('away'))
    await expect(failing).rejects.toThrow('away')
    await passed()
    begun[1]?.end('there again')
    expect(await next).toBe('there again')
  })
})
