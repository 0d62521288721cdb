import { describe, expect, it } from 'vitest'
import { MAX_SEATS, performanceDefinitionSchema } from './performance-schema.ts'

const row = { id: '1', seats: 30 }
const section = { id: 'A', name: 'Stalls A', rows: [row] }
const body = {
  title: 'Hamlet',
  venue: 'Opera House',
  startsAt: '2027-01-01T19:00:00Z',
  sections: [section],
}

const withRows = (...rows: unknown[]): object => ({ ...body, sections: [{ ...section, rows }] })

function complaintsOf(value: unknown): string[] {
  const { error } = performanceDefinitionSchema.safeParse(value)
  return error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? []
}

describe('the definition of a performance', () => {
  it('takes instants with any offset, as milliseconds', () => {
    const parsed = performanceDefinitionSchema.parse({
      ...body,
      startsAt: '2027-01-01T20:00:00+01:00',
      saleOpensAt: '2026-12-01T10:00:00.500Z',
    })
    expect(parsed.startsAt).toBe(Date.UTC(2027, 0, 1, 19))
    expect(parsed.saleOpensAt).toBe(Date.UTC(2026, 11, 1, 10, 0, 0, 500))
    expect(parsed.saleClosesAt).toBeUndefined()
  })

  it.each([
    ['without an offset', '2027-01-01T19:00:00'],
    ['a day that does not exist', '2027-02-30T19:00:00Z'],
    ['before 1970, which the tables cannot hold', '1969-12-31T23:59:59Z'],
    ['a number', 1_798_830_000_000],
  ])('refuses an instant %s', (_, startsAt) => {
    expect(complaintsOf({ ...body, startsAt })).toEqual([expect.stringMatching(/^startsAt: /)])
  })

  it.each(['2026-12-01T10:00:00Z', '2026-11-30T10:00:00Z'])(
    'refuses a sale that closes at or before its opening',
    (closes) => {
      const complaints = complaintsOf({ ...body, saleOpensAt: '2026-12-01T10:00:00Z', saleClosesAt: closes })
      expect(complaints).toEqual(['saleClosesAt: must be later than saleOpensAt'])
    },
  )

  it.each([
    ['of the performance', { ...body, colour: 'red' }, ': Unrecognized key: "colour"'],
    [
      'of a section',
      { ...body, sections: [{ ...section, kind: 'SEATED' }] },
      'sections.0: Unrecognized key: "kind"',
    ],
    ['of a row', withRows({ ...row, price: 5 }), 'sections.0.rows.0: Unrecognized key: "price"'],
  ])('refuses an unknown field %s', (_, value, complaint) => {
    expect(complaintsOf(value)).toEqual([complaint])
  })

  it.each([
    ['an empty title', { ...body, title: ' ' }],
    ['a title of 201 characters', { ...body, title: 'x'.repeat(201) }],
    ['no sections', { ...body, sections: [] }],
    ['a row without seats', withRows({ id: '1', seats: 0 })],
    ['a row with half a seat', withRows({ id: '1', seats: 1.5 })],
    ['a row of 2,001 seats', withRows({ id: '1', seats: 2_001 })],
    ['an empty list of labels', withRows({ id: '1', seats: [] })],
    ['a label with a space', withRows({ id: '1', seats: ['1 a'] })],
    ['a row id with a comma', withRows({ id: '1,2', seats: 1 })],
  ])('refuses %s', (_, value) => {
    expect(complaintsOf(value)).toHaveLength(1)
  })
})

describe('names in a performance', () => {
  it('refuses a section that is named twice', () => {
    expect(complaintsOf({ ...body, sections: [section, section] })).toEqual([
      'sections.1.id: names a section twice',
    ])
  })

  it('tells sections and rows apart by case', () => {
    const rows = [
      { id: 'a', seats: 2 },
      { id: 'A', seats: 2 },
    ]
    expect(
      complaintsOf({
        ...body,
        sections: [
          { ...section, rows },
          { ...section, id: 'a', rows },
        ],
      }),
    ).toEqual([])
  })

  it.each([
    ['rows with the same id', [row, row], 'sections.0.rows.1: names seat 1-1 twice'],
    ['a label twice', [{ id: '1', seats: ['x', 'y', 'x'] }], 'sections.0.rows.0: names seat 1-x twice'],
    [
      'two rows whose seats come to the same id',
      [
        { id: '1', seats: ['1-2'] },
        { id: '1-1', seats: ['2'] },
      ],
      'sections.0.rows.1: names seat 1-1-2 twice',
    ],
  ])('refuses %s', (_, rows, complaint) => {
    expect(complaintsOf(withRows(...rows))).toEqual([complaint])
  })

  it('says which label is malformed', () => {
    const [complaint, ...others] = complaintsOf(withRows({ id: '1', seats: ['ok', 'é'] }))
    expect(complaint).toMatch(/^sections\.0\.rows\.0\.seats\.1: must be 1 to 64 letters/)
    expect(others).toEqual([])
  })

  it('allows a seat id of 64 characters, not of 65', () => {
    const id = 'r'.repeat(60)
    expect(complaintsOf(withRows({ id, seats: 999 }))).toEqual([])
    expect(complaintsOf(withRows({ id, seats: 1_000 }))).toEqual([
      `sections.0.rows.0: seat id ${id}-1000 has more than 64 characters`,
    ])
  })
})

describe('the size of a performance', () => {
  const sections = (count: number, seats: number): object[] =>
    Array.from({ length: count }, (_, i) => ({ ...section, id: `S${i}`, rows: [{ id: '1', seats }] }))

  it('has a bound', () => {
    expect(complaintsOf({ ...body, sections: sections(50, MAX_SEATS / 50) })).toEqual([])
    expect(complaintsOf({ ...body, sections: sections(51, MAX_SEATS / 50) })).toEqual([
      'sections: must not have more than 100000 seats',
    ])
  })

  it('is checked before the seats of a huge one are written out', () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({ id: `${i}`, seats: 2_000 }))
    const huge = Array.from({ length: 500 }, (_, i) => ({ ...section, id: `S${i}`, rows }))
    expect(complaintsOf({ ...body, sections: huge })).toEqual([
      'sections: must not have more than 100000 seats',
    ])
  })
  it('is not hidden by a count below zero', () => {
    // As many as no array can have: one that were written out would throw.
    const complaints = complaintsOf(withRows({ id: '1', seats: 5e9 }, { id: '2', seats: -5e9 }))
    expect(complaints).toEqual(
      [0, 1].map(
        (index) => `sections.0.rows.${index}.seats: must be a count of 1 to 2,000 or a list of labels`,
      ),
    )
  })
})
