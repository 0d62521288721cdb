import { expect, it } from 'vitest'
import { encodeCommand } from '../shared/commands.ts'
import { InFlight } from './in-flight.ts'
import { parseEntry, type ParsedEntry } from './parse-entry.ts'

const entry = (number: number): ParsedEntry =>
  parseEntry({
    partition: 1,
    id: `${number}-0`,
    fields: encodeCommand({
      kind: 'book',
      requestId: `0000${number.toString(16).padStart(32, '0')}`,
      customerId: 'alice',
      ...{ performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] },
      requestedAtUs: 1_795_000_000_000_000,
      topologyVersion: 1,
      fingerprint: 'f'.repeat(43),
    }),
  })

it('what is settled while a read is under way stays in flight until its answer is here, which may still hold it', () => {
  const inFlight = new InFlight()
  const [first, second] = [entry(1), entry(2)]
  inFlight.add([first])
  inFlight.add([second])
  inFlight.beginReading()
  inFlight.remove([first])
  expect([first, second].map((one) => inFlight.has(one))).toEqual([true, true])
  inFlight.endReading()
  expect([first, second].map((one) => inFlight.has(one))).toEqual([false, true])
  expect(inFlight.mostOfOnePartition).toBe(1)
})
