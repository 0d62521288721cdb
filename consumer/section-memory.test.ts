import { describe, expect, it } from 'vitest'
import { SectionMemory, type SectionKey } from './section-memory.ts'
import { FREE, SeatHolders } from './seat-holders.ts'
import { SectionState } from './section-state.ts'

const SEATS = 100

function memoryOf(maxSeats: number, loads: SectionKey[][] = []): SectionMemory {
  return new SectionMemory((keys) => {
    loads.push([...keys])
    return Promise.resolve(
      keys.map((key) => {
        const exists = key.sectionId !== 'nowhere'
        const holders = new Map(
          Array.from({ length: exists ? SEATS : 0 }, (_, i): [string, string] => [`1-${i}`, FREE]),
        )
        const terms = { version: 1, startsAtMs: 0, saleOpensAtMs: undefined, saleClosesAtMs: undefined }
        return { ...key, state: new SectionState({ terms, exists, holders: SeatHolders.of(holders) }) }
      }),
    )
  }, maxSeats)
}

const key = (performanceId: string, sectionId = 'A'): SectionKey => ({ performanceId, sectionId })

describe('the memory of sections', () => {
  it('loads what is missing, once, in one go', async () => {
    const loads: SectionKey[][] = []
    const memory = memoryOf(10_000, loads)
    await memory.ensure([key('p1'), key('p2'), key('p1')])
    await memory.ensure([key('p2'), key('p3')])
    expect(loads).toEqual([[key('p1'), key('p2')], [key('p3')]])
  })

  it('forgets what was longest untouched, and never what a batch is about', async () => {
    const loads: SectionKey[][] = []
    const memory = memoryOf(2 * SEATS, loads)
    await memory.ensure([key('p1')])
    memory.get('p1', 'A').begin()
    await memory.ensure([key('p2')])
    await memory.ensure([key('p3')])
    await memory.ensure([key('p4')])
    expect(() => memory.get('p2', 'A')).toThrow()
    expect(memory.get('p1', 'A').pinned).toBe(true)
    memory.discardOverlays()
    await memory.ensure([key('p5')])
    expect(() => memory.get('p1', 'A')).toThrow()
  })

  it('stays bounded whatever names are asked for', async () => {
    const memory = memoryOf(1_000)
    for (let i = 0; i < 5_000; i++) await memory.ensure([key('p', 'nowhere'), key(`p${i}`, 'nowhere')])
    expect(memory.seatCount).toBeLessThan(2_000)
  })

  it('drops by name', async () => {
    const memory = memoryOf(10_000)
    await memory.ensure([key('p1'), key('p2')])
    memory.drop(({ performanceId }) => performanceId === 'p1')
    expect(() => memory.get('p1', 'A')).toThrow()
    expect(memory.get('p2', 'A').exists).toBe(true)
  })
})
