import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveRequestId } from '../shared/request-id.ts'
import { deadLetterBody, parseEntry } from './parse-entry.ts'

const requestId = deriveRequestId('alice', 'hamlet', 'k')

const fields = {
  kind: 'book',
  requestId,
  customerId: 'alice',
  performanceId: 'hamlet',
  sectionId: 'A',
  requestedAtUs: '1795000000000123',
  topologyVersion: '1',
  seatIds: '1-1,1-2',
  fingerprint: 'f'.repeat(43),
}

const entry = (given: Record<string, string>): Parameters<typeof parseEntry>[0] => ({
  partition: 0,
  id: '1-1',
  fields: Object.entries(given).flat(),
})

describe('parsing an entry', () => {
  it('understands what the accept script writes', () => {
    expect(parseEntry(entry(fields))).toMatchObject({
      kind: 'command',
      command: { kind: 'book', requestId, seatIds: ['1-1', '1-2'], requestedAtUs: 1_795_000_000_000_123 },
    })
  })

  it.each<[string, Record<string, string>]>([
    ['an unknown field', { ...fields, extra: '1' }],
    ['an unknown kind', { ...fields, kind: 'upgrade' }],
    ['no seats', { ...fields, seatIds: '' }],
    ['a seat twice', { ...fields, seatIds: '1-1,1-1' }],
    ['too many seats', { ...fields, seatIds: Array.from({ length: 11 }, (_, i) => `1-${i}`).join(',') }],
    ['a seat that is no id', { ...fields, seatIds: "1-1,'; DROP TABLE seats" }],
    ['a time that is none', { ...fields, requestedAtUs: 'yesterday' }],
    ['an id of another performance', { ...fields, performanceId: 'macbeth' }],
    ['__proto__', { ...fields, ['__proto__']: 'x' }],
  ])('refuses %s', (_, given) => {
    const raw = Object.entries(given).flat()
    if (_ === '__proto__') raw.push('__proto__', 'x')
    expect(parseEntry({ partition: 0, id: '1-1', fields: raw }).kind).toBe('malformed')
  })

  it('names the request of a malformed booking, so that it can be rejected', () => {
    const parsed = parseEntry(entry({ ...fields, seatIds: '' }))
    expect(parsed).toMatchObject({
      kind: 'malformed',
      malformed: { names: { requestId, customerId: 'alice' } },
    })
  })

  it('names nothing of a malformed cancel: the booking behind it stands', () => {
    const parsed = parseEntry(entry({ ...fields, kind: 'cancel' }))
    expect(parsed).toMatchObject({ kind: 'malformed', malformed: { names: undefined } })
  })

  it('never throws, whatever lies on a stream, and keeps a bounded body', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(...Object.keys(fields)))), (raw) => {
        const odd = { partition: 0, id: '1-1', fields: raw }
        expect(parseEntry(odd).kind).toBe('malformed')
        expect(deadLetterBody(odd).length).toBeLessThanOrEqual(4_096)
      }),
    )
    const huge = { partition: 0, id: '1-1', fields: ['kind', 'x'.repeat(1_000_000)] }
    expect(deadLetterBody(huge).length).toBeLessThanOrEqual(4_096)
    expect(parseEntry({ ...huge, fields: Array.from({ length: 10_000 }, String) }).kind).toBe('malformed')
  })
})
