import { describe, expect, it } from 'vitest'
import { changeOf, isEmpty, layoutOf, vanishedSeats, type Layout, type LayoutChange } from './layout.ts'
import { performanceDefinitionSchema, type PerformanceDefinition } from './performance-schema.ts'

type Row = readonly [id: string, seats: number | string[]]

function definitionOf(sections: Readonly<Record<string, readonly Row[]>>): PerformanceDefinition {
  return performanceDefinitionSchema.parse({
    title: 'Hamlet',
    venue: 'Opera House',
    startsAt: '2027-01-01T19:00:00Z',
    sections: Object.entries(sections).map(([id, rows]) => ({
      id,
      name: `Section ${id}`,
      rows: rows.map(([rowId, seats]) => ({ id: rowId, seats })),
    })),
  })
}

const stored = ({ sections, seats }: Layout): Parameters<typeof changeOf>[0] => ({
  sections: sections.map((row) => ({ ...row, fromVersion: 1 })),
  seats: seats.map((row) => ({ ...row, fromVersion: 1 })),
})

function change(
  from: Parameters<typeof definitionOf>[0],
  to: Parameters<typeof definitionOf>[0],
): LayoutChange {
  return changeOf(stored(layoutOf(definitionOf(from))), layoutOf(definitionOf(to)))
}

const names = (rows: readonly { sectionId: string; seatId: string }[]): string[] =>
  rows.map(({ sectionId, seatId }) => `${sectionId}/${seatId}`)

describe('the change between two layouts', () => {
  it('is empty between equal ones, whether seats are counted or listed', () => {
    expect(isEmpty(change({ A: [['1', 3]] }, { A: [['1', ['1', '2', '3']]] }))).toBe(true)
  })

  it('leaves the rows behind alone when a row grows', () => {
    const grown = change({ A: [['1', 2], ['2', 2]] }, { A: [['1', 3], ['2', 2]] }) // prettier-ignore
    expect(names(grown.addedSeats)).toEqual(['A/1-3'])
    expect(grown.removedSeats).toEqual([])
  })

  it('removes and adds what moves, and nothing of it vanishes', () => {
    const moved = change({ A: [['1', 1], ['2', 1]] }, { A: [['2', 1], ['1', 1]] }) // prettier-ignore
    expect(names(moved.removedSeats)).toEqual(['A/1-1', 'A/2-1'])
    expect(names(moved.addedSeats)).toEqual(['A/2-1', 'A/1-1'])
    expect(vanishedSeats(moved)).toEqual([])
  })

  it('lets a seat vanish from its section even if another has one of that name', () => {
    const left = change({ A: [['1', 2]], B: [['1', 1]] }, { A: [['1', 1]], B: [['1', 2]] })
    expect(names(vanishedSeats(left))).toEqual(['A/1-2'])
    expect(names(left.addedSeats)).toEqual(['B/1-2'])
  })

  it('touches a section’s own row, not its seats, when it only changes places', () => {
    const swapped = change({ A: [['1', 2]], B: [['1', 2]] }, { B: [['1', 2]], A: [['1', 2]] })
    expect(swapped.removedSections.map(({ sectionId }) => sectionId)).toEqual(['A', 'B'])
    expect([...swapped.addedSeats, ...swapped.removedSeats]).toEqual([])
  })
})
