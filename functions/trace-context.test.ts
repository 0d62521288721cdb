import { expect, it } from 'vitest'
import { parseTraceparent } from './trace-context.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'

it('takes what a tracer writes', () => {
  expect(parseTraceparent(`00-${trace}-${parent}-01`)).toBe(`00-${trace}-${parent}-01`)
  expect(parseTraceparent(`00-${trace}-${parent}-00`)).toBe(`00-${trace}-${parent}-00`)
})

it('takes a newer version in our words', () => {
  expect(parseTraceparent(`01-${trace}-${parent}-01`)).toBe(`00-${trace}-${parent}-01`)
  expect(parseTraceparent(`cc-${trace}-${parent}-01-what-the-future-adds`)).toBe(`00-${trace}-${parent}-01`)
})

it.each([
  undefined,
  '',
  'nonsense',
  `ff-${trace}-${parent}-01`,
  `00-${'0'.repeat(32)}-${parent}-01`,
  `00-${trace}-${'0'.repeat(16)}-01`,
  `00-${trace.toUpperCase()}-${parent}-01`,
  `00-${trace}-${parent}-01-more`,
  `00-${trace}-${parent}`,
  `00-${trace}-${parent}-01, 00-${trace}-${parent}-01`,
  `01-${trace}-${parent}-01-${'x'.repeat(1_000)}`,
])('takes %s for none', (header) => {
  expect(parseTraceparent(header)).toBeUndefined()
})
