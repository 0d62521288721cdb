import { Writable } from 'node:stream'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { encodeCommand } from '../shared/commands.ts'
import { deriveRequestId } from '../shared/request-id.ts'
import { decideBatch } from './decide-batch.ts'
import { parseEntry } from './parse-entry.ts'
import { reportTraces } from './report-traces.ts'
import { SeatHolders } from './seat-holders.ts'
import { SectionState } from './section-state.ts'

const topology = { version: 1, shards: 1, partitionsPerShard: 1 }
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

const entry = (id: string, traceparent?: string) => {
  const fields = encodeCommand({
    kind: 'book',
    requestId: deriveRequestId('alice', 'hamlet', id),
    customerId: 'alice',
    performanceId: 'hamlet',
    sectionId: 'A',
    requestedAtUs: 1_000_000,
    topologyVersion: 1,
    seatIds: [id],
    fingerprint: 'x'.repeat(43),
    ...(traceparent === undefined ? {} : { traceparent }),
  })
  return parseEntry({ partition: 0, id: `${id}-0`, fields })
}

it('says what became of commands whose trace is recorded, and of no others', () => {
  const entries = [
    entry('1', `00-${TRACE}-00f067aa0ba902b7-01`),
    entry('2', `00-${TRACE}-00f067aa0ba902b7-00`),
    entry('3'),
    entry('4', 'nonsense'),
  ]
  // A trace that makes no sense costs nobody a booking.
  expect(entries.map(({ kind }) => kind)).toEqual(entries.map(() => 'command'))
  const batch = decideBatch(entries, {
    topology,
    shard: 0,
    shardSlot: 0,
    stakes: new Map([[0, { epoch: 1, sequence: 0 }]]),
    section: () => new SectionState({ terms: undefined, exists: false, holders: SeatHolders.of(new Map()) }),
    storedBefore: new Map(),
    marksIn: undefined,
    poison: new Map(),
  })
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log = pino({ level: 'info' }, sink)
  reportTraces(batch, new Set([0]), 1_250, log)
  expect(lines).toEqual([])
  reportTraces(batch, new Set(), 1_250, log)
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({
      traceId: TRACE,
      requestId: deriveRequestId('alice', 'hamlet', '1'),
      command: 'book',
      status: 'REJECTED',
      ms: 250,
    }),
  ])
})
