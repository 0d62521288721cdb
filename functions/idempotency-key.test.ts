import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseIdempotencyKey } from './idempotency-key.ts'

const key = (value: string) => ({ kind: 'key', key: value })

describe('parseIdempotencyKey', () => {
  it('takes bare and quoted for the same key', () => {
    expect(parseIdempotencyKey('8e03978e-40d5')).toEqual(key('8e03978e-40d5'))
    expect(parseIdempotencyKey('"8e03978e-40d5"')).toEqual(key('8e03978e-40d5'))
  })

  it('undoes the escapes of a structured-field string', () => {
    expect(parseIdempotencyKey(String.raw`"a\"b\\c"`)).toEqual(key(String.raw`a"b\c`))
  })

  it('reads back whatever visible ASCII was quoted', () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 255,
    })
    fc.assert(
      fc.property(visible, (value) => {
        const quoted = `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
        expect(parseIdempotencyKey(quoted)).toEqual(key(value))
        if (!value.startsWith('"')) expect(parseIdempotencyKey(value)).toEqual(key(value))
      }),
    )
  })

  it.each([undefined, ''])('knows that %j is missing', (header) => {
    expect(parseIdempotencyKey(header)).toEqual({ kind: 'missing' })
  })

  it.each([
    '""',
    '"open',
    'a b',
    '"a b"',
    '"a", "b"',
    '"a";b=c',
    String.raw`"a\b"`,
    '"a"b"',
    'ключ',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
  ])('refuses %j', (header) => {
    expect(parseIdempotencyKey(header)).toEqual({ kind: 'malformed' })
  })

  it('takes 255 characters, in quotes or without', () => {
    expect(parseIdempotencyKey('x'.repeat(255)).kind).toBe('key')
    expect(parseIdempotencyKey(`"${'x'.repeat(255)}"`).kind).toBe('key')
  })
})
