import { labelsOf, seatIdOf, type PerformanceDefinition } from './performance-schema.ts'

/** A section as a row of the catalogue. */
export interface SectionRow {
  readonly sectionId: string
  readonly name: string
  readonly position: number
}

/** A seat as a row of the catalogue. */
export interface SeatRow {
  readonly sectionId: string
  readonly seatId: string
  readonly rowId: string
  readonly label: string
  readonly position: number
}

export interface Layout {
  readonly sections: readonly SectionRow[]
  readonly seats: readonly SeatRow[]
}

/** What was stored under some version, with the version from which each row has been there. */
export type Since<T> = T & { readonly fromVersion: number }

export interface LayoutChange {
  readonly removedSections: readonly Since<SectionRow>[]
  readonly addedSections: readonly SectionRow[]
  readonly removedSeats: readonly Since<SeatRow>[]
  readonly addedSeats: readonly SeatRow[]
}

/** Rows between the positions of two rows of seats, so that a row may grow without moving those behind it. */
const ROW_STRIDE = 2_000

export function layoutOf(definition: PerformanceDefinition): Layout {
  return {
    sections: definition.sections.map(({ id, name }, position) => ({ sectionId: id, name, position })),
    seats: definition.sections.flatMap((section) =>
      section.rows.flatMap((row, rowIndex) =>
        labelsOf(row).map((label, index) => ({
          sectionId: section.id,
          seatId: seatIdOf(row.id, label),
          rowId: row.id,
          label,
          position: rowIndex * ROW_STRIDE + index,
        })),
      ),
    ),
  }
}

/** The difference between what is stored and what is wanted; a row that changes is removed and added. */
export function changeOf(
  stored: { readonly sections: readonly Since<SectionRow>[]; readonly seats: readonly Since<SeatRow>[] },
  wanted: Layout,
): LayoutChange {
  const sections = differ(stored.sections, wanted.sections, ({ sectionId }) => sectionId, sameSection)
  const seats = differ(
    stored.seats,
    wanted.seats,
    ({ sectionId, seatId }) => `${sectionId}/${seatId}`,
    sameSeat,
  )
  return {
    removedSections: sections.removed,
    addedSections: sections.added,
    removedSeats: seats.removed,
    addedSeats: seats.added,
  }
}

/** Seats that are gone from the layout; one that only moved is not. */
export function vanishedSeats(change: LayoutChange): Since<SeatRow>[] {
  const added = new Set(change.addedSeats.map(({ sectionId, seatId }) => `${sectionId}/${seatId}`))
  return change.removedSeats.filter(({ sectionId, seatId }) => !added.has(`${sectionId}/${seatId}`))
}

export function isEmpty(change: LayoutChange): boolean {
  return Object.values(change).every((rows: readonly unknown[]) => rows.length === 0)
}

const sameSection = (a: SectionRow, b: SectionRow): boolean => a.name === b.name && a.position === b.position

const sameSeat = (a: SeatRow, b: SeatRow): boolean =>
  a.rowId === b.rowId && a.label === b.label && a.position === b.position

function differ<T>(
  stored: readonly Since<T>[],
  wanted: readonly T[],
  keyOf: (row: T) => string,
  same: (a: T, b: T) => boolean,
): { removed: Since<T>[]; added: T[] } {
  const before = new Map(stored.map((row) => [keyOf(row), row]))
  const after = new Map(wanted.map((row) => [keyOf(row), row]))
  const kept = (key: string): boolean => {
    const [old, young] = [before.get(key), after.get(key)]
    return old !== undefined && young !== undefined && same(old, young)
  }
  return {
    removed: stored.filter((row) => !kept(keyOf(row))),
    added: wanted.filter((row) => !kept(keyOf(row))),
  }
}
