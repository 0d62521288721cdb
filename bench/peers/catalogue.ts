import type { Pool, RowDataPacket } from 'mysql2/promise'
import { slotOf } from '../../shared/placement.ts'

export interface CataloguePerformance {
  readonly version: number
  /** Section → its seats. */
  readonly sections: ReadonlyMap<string, ReadonlySet<string>>
}

interface SeatRow extends RowDataPacket {
  readonly version: number
  readonly sectionId: string
  readonly seatId: string
}

/**
 * The catalogue in memory: what is there at the start, and what comes later at first touch. It does not change during a
 * benchmark.
 */
export class Catalogue {
  private readonly known = new Map<string, CataloguePerformance>()
  private readonly loading = new Map<string, Promise<CataloguePerformance | undefined>>()
  private readonly pool: Pool

  constructor(pool: Pool) {
    this.pool = pool
  }

  /** Loads what is there. */
  async loadAll(): Promise<void> {
    const [rows] = await this.pool.query<(RowDataPacket & { readonly id: string })[]>(
      'SELECT performance_id AS id FROM performances',
    )
    for (const { id } of rows) await this.get(id)
  }

  /** Undefined where there is no such performance; that is not remembered. */
  get(performanceId: string): CataloguePerformance | undefined | Promise<CataloguePerformance | undefined> {
    const known = this.known.get(performanceId)
    if (known !== undefined) return known
    const loading = this.loading.get(performanceId) ?? this.load(performanceId)
    this.loading.set(performanceId, loading)
    return loading
  }

  private async load(performanceId: string): Promise<CataloguePerformance | undefined> {
    try {
      const [rows] = await this.pool.query<SeatRow[]>(
        `SELECT p.version, s.section_id AS sectionId, s.seat_id AS seatId FROM performances AS p
           JOIN seats AS s ON s.slot = p.slot AND s.performance_id = p.performance_id
             AND s.from_version <= p.version AND (s.to_version IS NULL OR s.to_version > p.version)
         WHERE p.slot = ? AND p.performance_id = ?`,
        [slotOf(performanceId), performanceId],
      )
      const [first] = rows
      if (first === undefined) return undefined
      const sections = new Map<string, Set<string>>()
      for (const { sectionId, seatId } of rows) {
        const seats = sections.get(sectionId)
        if (seats === undefined) sections.set(sectionId, new Set([seatId]))
        else seats.add(seatId)
      }
      const loaded = { version: first.version, sections }
      this.known.set(performanceId, loaded)
      return loaded
    } finally {
      this.loading.delete(performanceId)
    }
  }
}
