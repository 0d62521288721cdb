import { z } from 'zod'
import { alternativeIdSchema, idSchema, MAX_ID_LENGTH } from '../ids.ts'

/** Seats that a performance may have at most. */
export const MAX_SEATS = 100_000

/** Control characters and halves of characters are no part of a name, and the latter cannot even be stored. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

const text = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .refine((value) => !UNPRINTABLE.test(value), 'must be printable text')

/** ISO 8601 with an offset, as milliseconds since 1970 UTC. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => Date.parse(value))
  .pipe(z.number().int().nonnegative())

/**
 * What is out of bounds ends the check of the whole: refinements run on what merely fails, and a count below zero would
 * hide one of a thousand million from the bound on their sum.
 */
const seatCount = z.number().int({ abort: true }).min(1, { abort: true }).max(2_000, { abort: true })

const rowSchema = z.strictObject({
  id: idSchema,
  /** A count (labels 1 to n), or the labels themselves. */
  seats: z.union([seatCount, z.array(alternativeIdSchema).min(1).max(2_000)], {
    error: 'must be a count of 1 to 2,000 or a list of labels',
  }),
})

const sectionSchema = z.strictObject({
  id: idSchema,
  name: text,
  rows: z.array(rowSchema).min(1).max(1_000),
})

/** The body of `PUT /performances/{id}`: the whole performance, not a change to it. */
export const performanceDefinitionSchema = z
  .strictObject({
    title: text,
    venue: text,
    /** The production it is a date of; the performance itself where none is named. */
    eventId: idSchema.optional(),
    startsAt: instant,
    saleOpensAt: instant.optional(),
    saleClosesAt: instant.optional(),
    sections: z.array(sectionSchema).min(1).max(500),
  })
  .superRefine((performance, context) => {
    const { saleOpensAt, saleClosesAt, sections } = performance
    const complain = (path: (string | number)[], message: string): void => {
      context.addIssue({ code: 'custom', path, message })
    }
    if (saleOpensAt !== undefined && saleClosesAt !== undefined && saleOpensAt >= saleClosesAt) {
      complain(['saleClosesAt'], 'must be later than saleOpensAt')
    }
    forEachRepeated(
      sections.map(({ id }) => id),
      (index) => {
        complain(['sections', index, 'id'], 'names a section twice')
      },
    )
    if (sections.reduce((sum, section) => sum + countSeats(section), 0) > MAX_SEATS) {
      complain(['sections'], `must not have more than ${MAX_SEATS} seats`)
      // A few kilobytes of counts can name a thousand million seats: never write those out.
      return
    }
    sections.forEach((section, index) => {
      checkSeats(section, ['sections', index, 'rows'], complain)
    })
  })

export type PerformanceDefinition = z.infer<typeof performanceDefinitionSchema>
type SectionDefinition = PerformanceDefinition['sections'][number]
type RowDefinition = SectionDefinition['rows'][number]

export function labelsOf(row: RowDefinition): readonly string[] {
  return typeof row.seats === 'number'
    ? Array.from({ length: row.seats }, (_, i) => String(i + 1))
    : row.seats
}

export function seatIdOf(rowId: string, label: string): string {
  return `${rowId}-${label}`
}

function countSeats(section: SectionDefinition): number {
  return section.rows.reduce((sum, { seats }) => sum + (typeof seats === 'number' ? seats : seats.length), 0)
}

function checkSeats(
  section: SectionDefinition,
  path: (string | number)[],
  complain: (path: (string | number)[], message: string) => void,
): void {
  const seen = new Set<string>()
  section.rows.forEach((row, index) => {
    // Rows "1" with label "1-2" and "1-1" with label "2" name the same seat: compare ids, not parts.
    const seatIds = labelsOf(row).map((label) => seatIdOf(row.id, label))
    const twice = seatIds.find((seatId) => {
      const known = seen.has(seatId)
      seen.add(seatId)
      return known
    })
    if (twice !== undefined) complain([...path, index], `names seat ${twice} twice`)
    const long = seatIds.find((seatId) => seatId.length > MAX_ID_LENGTH)
    if (long !== undefined)
      complain([...path, index], `seat id ${long} has more than ${MAX_ID_LENGTH} characters`)
  })
}

function forEachRepeated(ids: readonly string[], onRepeated: (index: number) => void): void {
  const seen = new Set<string>()
  ids.forEach((id, index) => {
    if (seen.has(id)) onRepeated(index)
    seen.add(id)
  })
}
