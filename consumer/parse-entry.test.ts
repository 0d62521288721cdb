import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../shared/commands.ts'
import { deriveRequestId } from '../shared/request-id.ts'
import { deadLetterBody, parseEntry } from './parse-entry.ts'

const requestId = deriveRequestId('alice', 'hamlet', 'k')

const fields = {
  kind: 'book' as const,
  requestId,
  customerId: 'alice',
  performanceId: 'hamlet',
  sectionId: 'A',
  requestedAtUs: 1_795_000_000_000_123,
  topologyVersion: 1,
  seatIds: ['1-1', '1-2'],
  fingerprint: 'f'.repeat(43),
}

type Given = Parameters<typeof encodeCommand>[0]

const entry = (given: Given): Parameters<typeof parseEntry>[0] => ({
  partition: 0,
  id: '1-1',
  fields: encodeCommand(given),
})

/** An entry of a booking's shape, with some other text in place of its JSON. */
const entryWith = (json: string): Parameters<typeof parseEntry>[0] => ({
  partition: 0,
  id: '1-1',
  fields: [requestId, json],
})

describe('parsing an entry', () => {
  it('understands what the accept script writes', () => {
    expect(parseEntry(entry(fields))).toMatchObject({
      kind: 'command',
      command: { kind: 'book', requestId, seatIds: ['1-1', '1-2'], requestedAtUs: 1_795_000_000_000_123 },
    })
  })

  it.each<[string, Given]>([
    ['an unknown field', { ...fields, extra: '1' }],
    ['an unknown kind', { ...fields, kind: 'upgrade' as 'book' }],
    ['no seats', { ...fields, seatIds: [] }],
    ['a seat twice', { ...fields, seatIds: ['1-1', '1-1'] }],
    ['too many seats', { ...fields, seatIds: Array.from({ length: 11 }, (_, i) => `1-${i}`) }],
    ['a seat that is no id', { ...fields, seatIds: ['1-1', "'; DROP TABLE seats"] }],
    ['seats that are no list', { ...fields, seatIds: '1-1' }],
    ['a time that is none', { ...fields, requestedAtUs: 'yesterday' }],
    ['a time that no number holds exactly', { ...fields, requestedAtUs: 1e300 }],
    ['an id of another performance', { ...fields, performanceId: 'macbeth' }],
  ])('refuses %s', (_, given) => {
    expect(parseEntry(entry(given)).kind).toBe('malformed')
  })

  const [, json] = encodeCommand(fields)

  it.each([
    ['no JSON', json.slice(1)],
    ['a list', '[]'],
    ['null', 'null'],
    ['__proto__', json.replace('{', '{"__proto__":{},')],
    ['its kind once more', json.replace('{', '{"kind":"cancel",')],
    ['its request once more', json.replace('{', `{"requestId":"${requestId}",`)],
    ['depth', '['.repeat(4_000) + ']'.repeat(4_000)],
    ['length', json.replace('{', '{' + ' '.repeat(10_000))],
  ])('refuses JSON with %s', (_, given) => {
    expect(parseEntry(entryWith(json)).kind).toBe('command')
    expect(parseEntry(entryWith(given)).kind).toBe('malformed')
  })

  it('refuses another field, and name and value the other way round', () => {
    const raw = encodeCommand(fields)
    expect(parseEntry({ ...entry(fields), fields: [...raw, 'more', '1'] }).kind).toBe('malformed')
    expect(parseEntry({ ...entry(fields), fields: raw.toReversed() }).kind).toBe('malformed')
  })

  it.each(['/book', '/', '/cancel/book', '/cancel/'])('refuses a booking named with %s', (rest) => {
    const parsed = parseEntry({ ...entry(fields), fields: [`${requestId}${rest}`, json] })
    expect(parsed.kind).toBe('malformed')
  })

  it('understands a cancel by its name', () => {
    const raw = encodeCommand({
      kind: 'cancel',
      requestId,
      customerId: 'alice',
      ...{ performanceId: 'hamlet', sectionId: 'A' },
      requestedAtUs: 1_795_000_000_000_123,
      topologyVersion: 1,
    })
    expect(raw[0]).toBe(`${requestId}/cancel`)
    expect(parseEntry({ ...entry(fields), fields: raw })).toMatchObject({
      kind: 'command',
      command: { kind: 'cancel', requestId },
    })
  })

  it('names the request of a malformed booking, so that it can be rejected', () => {
    const parsed = parseEntry(entry({ ...fields, seatIds: [] }))
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
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(requestId, `${requestId}/cancel`, '{}', '[]'))),
        (raw) => {
          const odd = { partition: 0, id: '1-1', fields: raw }
          expect(parseEntry(odd).kind).toBe('malformed')
          expect(deadLetterBody(odd).length).toBeLessThanOrEqual(4_096)
        },
      ),
    )
    const huge = { partition: 0, id: '1-1', fields: ['kind', 'x'.repeat(1_000_000)] }
    expect(deadLetterBody(huge).length).toBeLessThanOrEqual(4_096)
    expect(parseEntry({ ...huge, fields: Array.from({ length: 10_000 }, String) }).kind).toBe('malformed')
  })
})
