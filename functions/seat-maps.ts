import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import {
  getSectionSeats,
  readRows,
  type ReadRows,
  type SectionRows,
} from '../shared/catalogue/read-catalogue.ts'
import type { Ports } from './ports.ts'
import { sharedReads } from './shared-reads.ts'

/** A section's seats, ready to be sent. */
interface SeatMap {
  readonly json: string
  /** Of these very seats, quoted as in `ETag`. */
  readonly etag: string
}

/** Undefined: there is no such section. */
export type SeatMaps = (performanceId: string, sectionId: string) => Promise<SeatMap | undefined>

/** Some ten megabytes at most. */
const KNOWN_SEATS = 200_000
/** Of one version rows never change, unless a database is put back to what it was and goes on from there. */
const KNOWN_FOR_MS = 60_000

/**
 * In a sale everybody looks at the same few sections. Taken seats are read anew each time, in one statement, and by those
 * together who ask at the same time; what stands where is remembered.
 */
export function createSeatMaps({ mysql, platform }: Pick<Ports, 'mysql' | 'platform'>): SeatMaps {
  const known = new LRUCache<string, SectionRows>({
    maxSize: KNOWN_SEATS,
    sizeCalculation: (rows) => 1 + rows.reduce((sum, { seats }) => sum + seats.length, 0),
    ttl: KNOWN_FOR_MS,
  })
  const rowsOf: ReadRows = async (knex, performanceId, sectionId, version) => {
    const key = `${performanceId}/${sectionId}/${version}`
    const before = known.get(key)
    if (before !== undefined) return before
    const rows = await readRows(knex, performanceId, sectionId, version)
    if (rows !== undefined) known.set(key, rows)
    return rows
  }
  const read: SeatMaps = async (performanceId, sectionId) => {
    const seats = await mysql.ask((knex) => getSectionSeats(knex, performanceId, sectionId, rowsOf))
    if (seats === undefined) return undefined
    const json = JSON.stringify(seats)
    return { json, etag: `"${hash('sha256', json, 'base64url')}"` }
  }
  // Elsewhere no request may wait for what another one has begun, and there are no others beside it.
  if (!platform.longLived) return read
  const share = sharedReads<SeatMap | undefined>()
  return (performanceId, sectionId) =>
    share(`${performanceId}/${sectionId}`, () => read(performanceId, sectionId))
}
