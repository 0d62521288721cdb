import { expect, it } from 'vitest'
import { preferredWaitSeconds } from './prefer.ts'

it.each([
  ['wait=10', 10],
  ['respond-async, wait=5', 5],
  ['wait="7"', 7],
  ['WAIT = 3 ; foo=bar, handling=lenient', 3],
  ['wait=1, wait=9', 1],
  ['wait=86400', 20],
  ['return=minimal,wait=2', 2],
])('waits as %s asks', (header, seconds) => {
  expect(preferredWaitSeconds(header)).toBe(seconds)
})

it.each([
  undefined,
  '',
  'wait',
  'wait=',
  'wait=-1',
  'wait=1.5',
  'wait=ten',
  'await=10',
  'wait=1e3',
  'wait="1',
])('takes %s for no wish to wait', (header) => {
  expect(preferredWaitSeconds(header)).toBe(0)
})
