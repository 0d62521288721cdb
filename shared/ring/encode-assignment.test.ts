import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrontrowError } from '../errors.ts'
import { assignPartitions } from './assign.ts'
import { decodeAssignment, encodeAssignment } from './encode-assignment.ts'

const codeOf = (attempt: () => unknown): string => {
  try {
    attempt()
  } catch (error) {
    if (error instanceof FrontrowError) return `${error.code}${error.retryable ? ' retryable' : ''}`
    throw error
  }
  return 'none'
}

describe('an assignment as text', () => {
  it('comes back as it was', () => {
    const members = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), { maxLength: 20 })
    fc.assert(
      fc.property(members, fc.nat({ max: 200 }), (names, partitions) => {
        const assignment = assignPartitions(partitions, names, undefined)
        expect(decodeAssignment(encodeAssignment(assignment))).toEqual(assignment)
      }),
    )
  })

  it('fits well below a megabyte at 65,536 partitions on 1,000 members', () => {
    const members = Array.from({ length: 1_000 }, (_, i) => `consumer-${String(i).padStart(36, '0')}`)
    expect(encodeAssignment(assignPartitions(65_536, members, undefined)).length).toBeLessThan(350_000)
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"members":["a"]}',
    '{"members":["a"],"owners":[0],"more":1}',
    '{"members":["b","a"],"owners":[0]}',
    '{"members":["a","a"],"owners":[0]}',
    '{"members":[""],"owners":[0]}',
    '{"members":["a b"],"owners":[0]}',
    '{"members":["a"],"owners":[1]}',
    '{"members":["a"],"owners":[-1]}',
    '{"members":["a"],"owners":[0.5]}',
    '{"members":["a"],"owners":["0"]}',
    '{"members":["a"],"owners":[null]}',
    '{"members":[],"owners":[0]}',
    '{"members":{"length":1,"0":"a"},"owners":[0]}',
    '{"__proto__":{"members":[]},"owners":[]}',
  ])('is refused if it is %s', (text) => {
    expect(codeOf(() => decodeAssignment(text))).toBe('ASSIGNMENT_INVALID')
  })

  it('is an assignment or refused, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(['none', 'ASSIGNMENT_INVALID']).toContain(codeOf(() => decodeAssignment(text)))
      }),
    )
  })

  it('is not written if it could not be read', () => {
    expect(codeOf(() => encodeAssignment({ members: ['b', 'a'], owners: [] }))).toBe('ASSIGNMENT_INVALID')
  })

  it('complains briefly about a large map', () => {
    const text = JSON.stringify({ members: ['a'], owners: new Array(10_000).fill(-1) })
    expect(() => decodeAssignment(text)).toThrow(/^.{1,200}$/)
  })
})
