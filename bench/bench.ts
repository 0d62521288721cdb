import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { readRows } from './read-rows.ts'
import { lineOf, measureRow } from './measure-row.ts'
import { ratios } from './report/ratios.ts'
import { renderTable } from './report/render-table.ts'
import { summarize } from './report/summarize.ts'
import { writeJson } from './report/write-json.ts'
import { writePlots } from './report/write-plots.ts'
import type { Measured } from './row.ts'
import { limitRows, plainRows } from './rows/limits.ts'
import { ourRows } from './rows/ours.ts'
import { peerRows } from './rows/peers.ts'
import { buildHouses, type Row, type Size } from './rows/scene.ts'
import { runSession, type Session } from './session.ts'
import { Stage } from './stage.ts'

/**
 * `npm run bench`: every row once a round, in turn, on servers of its own. Rows of one round were measured within minutes of
 * each other on the same machine, so they compare with each other; they say nothing about another machine's.
 */
const WHOLE: Size = { count: 40_000, seconds: 10, warmUp: 6_000, hot: 20_000, drain: 60_000, crowdSeconds: 5 }
const QUICK: Size = { count: 2_000, seconds: 0.5, warmUp: 500, hot: 1_000, drain: 6_000, crowdSeconds: 0.5 }
const WHOLE_ROUNDS = 5

/** Rows that are compared stand beside each other: the machine may be another one some minutes later. */
const neighbours = [
  /^limit\/bare|^plain\/accept$|^ours\/(accept|status)$/,
  /^limit\/|^plain\/|^ours\/drain$/,
  /^peer\/[^/]+$|^ours\/whole-/,
  /^peer\/|^ours\/hot-/,
]
const standing = (name: string): number => {
  const group = neighbours.findIndex((names) => names.test(name))
  return group < 0 ? neighbours.length : group
}

const allRows: readonly (readonly [string, Row])[] = Object.entries({
  ...limitRows,
  ...plainRows,
  ...peerRows(),
  ...ourRows,
}).sort(([a], [b]) => standing(a) - standing(b))
const rowNames = allRows.map(([name]) => name)

interface Options {
  readonly quick: boolean
  readonly rounds: number | undefined
  readonly only: ReadonlySet<string> | undefined
  readonly size: number | undefined
  readonly install: boolean
}

function parseOptions(): Options {
  const whole = (text: string): number => {
    const number = Number(text)
    if (Number.isInteger(number) && number >= 1 && number <= 10_000_000) return number
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  }
  return new Command('npm run bench --')
    .option('--quick', 'small rows, one round: a minute and a half', false)
    .option('--rounds <number>', 'how often each row is measured', whole)
    .option('--only <rows>', 'rows, or beginnings of their names, separated by commas', (text) =>
      readRows(rowNames, text),
    )
    .option('--size <number>', 'requests of a row', whole)
    .option('--no-install', 'do not install what is missing')
    .allowExcessArguments(false)
    .parse()
    .opts<Options>()
}

async function run(options: Options, session: Session): Promise<void> {
  const rows = allRows.filter(([name]) => options.only?.has(name) ?? true)
  const size = sizeOf(options)
  const rounds = options.rounds ?? (options.quick ? 1 : WHOLE_ROUNDS)
  const stage = await Stage.on(session, 'frontrow_bench')
  session.shutdown.add({ what: 'connections', inOrder: () => stage.close() })
  const houses = await buildHouses(stage, size)
  const measured: Measured[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const [name, row] of rows) {
      const result = await measureRow(name, row, { stage, size, houses }, session.shutdown)
      if (result === undefined) return
      measured.push(result)
      console.log(`${round}/${rounds}  ${lineOf(result)}`)
    }
    report(session, stage, measured, round === rounds)
  }
  if (measured.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
}

/** Written after each round, so that an interruption keeps those before; shown at the end. */
function report({ results }: Session, { head }: Stage, measured: readonly Measured[], isLast: boolean): void {
  const summary = summarize(measured)
  const reached = ratios(summary)
  writeJson(join(results, 'latest.json'), head, measured, summary, reached)
  if (!isLast) return
  const plots = writePlots(results, summary)
  console.log(`\n${renderTable(head, summary, reached)}`)
  console.log(`Written: ${[join(results, 'latest.json'), ...plots].join(', ')}`)
}

function sizeOf({ quick, size }: Options): Size {
  const usual = quick ? QUICK : WHOLE
  return size === undefined ? usual : { ...usual, count: size, hot: size, drain: size }
}

const options = parseOptions()
await runSession('bench', options.install, (session) => run(options, session))
