import { nodesRow, ringRow, TABLE_MEMBERS, TABLE_PARTITIONS, type RingRow } from './ring-table.ts'

/**
 * `npm run ring`: what assigning partitions costs and moves, beside what cannot be avoided, and beside what the simpler
 * ways would do. Everything but the milliseconds is the same on every machine.
 */
const NODES_EACH = [8, 32, 128, 512]

const COLUMNS: readonly (readonly [title: string, value: (row: RingRow) => number | string])[] = [
  ['partitions', ({ partitions }) => partitions],
  ['members', ({ members }) => members],
  ['max-min', ({ difference }) => difference],
  ['join', ({ join }) => join.moved],
  ['least', ({ join }) => join.least],
  ['no map', ({ join }) => join.movedAnew],
  ['plain', ({ join }) => join.movedPlain],
  ['leave', ({ leave }) => leave.moved],
  ['least', ({ leave }) => leave.least],
  ['no map', ({ leave }) => leave.movedAnew],
  ['plain', ({ leave }) => leave.movedPlain],
  ['plain max', ({ plainExcess }) => `${plainExcess.toFixed(2)}x`],
  ['ms', ({ ms }) => ms.toFixed(1)],
  ['JSON KB', ({ jsonBytes }) => (jsonBytes / 1_000).toFixed(1)],
]

function main(): void {
  console.log(
    'Partitions that move when one member joins or leaves. "least": fewer is impossible if loads are to',
  )
  console.log(
    'differ by at most one. "no map": bounded loads that do not know the previous map. "plain": a ring',
  )
  console.log('without bounds, whose largest load is "plain max" times the mean. "ms": processor time.')
  printLine(COLUMNS.map(([title]) => title))
  for (const partitions of TABLE_PARTITIONS) {
    for (const members of TABLE_MEMBERS) {
      const row = ringRow(partitions, members)
      printLine(COLUMNS.map(([, value]) => value(row)))
    }
  }

  console.log('')
  console.log(
    'Nodes of a member: largest load over the mean of a plain ring (128 partitions on 10 members); share of',
  )
  console.log('65,536 partitions on 1,000 members that bounds leave at their first choice; making that ring.')
  printLine(['nodes', 'plain max', 'first', 'ms'])
  for (const nodesEach of NODES_EACH) {
    const { plainExcess, firstChoice, ms } = nodesRow(nodesEach)
    printLine([nodesEach, `${plainExcess.toFixed(2)}x`, `${(firstChoice * 100).toFixed(0)} %`, ms.toFixed(1)])
  }
}

function printLine(cells: readonly (number | string)[]): void {
  console.log(cells.map((cell) => String(cell).padStart(10)).join(''))
}

main()
