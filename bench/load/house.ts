/** The seats that a load asks for, numbered through. */
export interface House {
  readonly performanceIds: readonly string[]
  /** Sections of each performance: S0, S1, … */
  readonly sections: number
  /** Rows of each section: 1, 2, … */
  readonly rows: number
  readonly seatsPerRow: number
}

export interface Seat {
  readonly performanceId: string
  readonly sectionId: string
  readonly seatId: string
}

export function seatCount({ performanceIds, sections, rows, seatsPerRow }: House): number {
  return performanceIds.length * sections * rows * seatsPerRow
}

/** Neighbouring numbers lie in other performances and sections, as customers of one moment do. */
export function seatAt({ performanceIds, sections, rows, seatsPerRow }: House, number: number): Seat {
  const performance = number % performanceIds.length
  const inPerformance = Math.floor(number / performanceIds.length)
  const section = inPerformance % sections
  const inSection = Math.floor(inPerformance / sections)
  const row = inSection % rows
  const seat = Math.floor(inSection / rows)
  if (seat >= seatsPerRow) throw new RangeError(`there is no seat ${number}`)
  return {
    performanceId: performanceIds[performance] ?? '',
    sectionId: `S${section}`,
    seatId: `${row + 1}-${seat + 1}`,
  }
}
