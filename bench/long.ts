import { join } from 'node:path'
import { Command } from 'commander'
import { readRows } from './read-rows.ts'
import { houseOf, putHouse } from './house-of.ts'
import { lineOf, measureRow } from './measure-row.ts'
import { ratios } from './report/ratios.ts'
import { renderTable } from './report/render-table.ts'
import { summarize } from './report/summarize.ts'
import { writeJson } from './report/write-json.ts'
import { writePlots } from './report/write-plots.ts'
import type { Measured } from './row.ts'
import { scaleRow, scales, type Scale } from './rows/scale.ts'
import type { Houses, Size } from './rows/scene.ts'
import { runSession, type Session } from './session.ts'
import { Stage } from './stage.ts'

/**
 * `npm run bench:long`: what a booking costs as things grow. Each row has a deployment of its own, and is measured once; it
 * takes a quarter of an hour on two cores. What is measured is written at once, so that an interruption keeps it.
 */
interface Options {
  readonly only: ReadonlySet<string> | undefined
  readonly install: boolean
}

const options = new Command('npm run bench:long --')
  .option('--only <rows>', 'rows, or beginnings of their names, separated by commas', (text) =>
    readRows(
      scales.map(({ name }) => name),
      text,
    ),
  )
  .option('--no-install', 'do not install what is missing')
  .allowExcessArguments(false)
  .parse()
  .opts<Options>()

async function run(session: Session): Promise<void> {
  const file = join(session.results, `long-${new Date().toISOString().slice(0, 16).replaceAll(':', '')}.json`)
  const chosen = scales.filter(({ name }) => options.only?.has(name) ?? true)
  const measured: Measured[] = []
  for (const [number, scale] of chosen.entries()) {
    const stage = await Stage.on(session, `frontrow_scale_${number}`)
    try {
      const result = await measureScale(session, stage, scale)
      if (result === undefined) return
      measured.push(result)
      console.log(`${number + 1}/${chosen.length}  ${lineOf(result)}`)
      const summary = summarize(measured)
      const reached = ratios(summary)
      writeJson(file, stage.head, measured, summary, reached)
      if (number + 1 < chosen.length) continue
      console.log(`\n${renderTable(stage.head, summary, reached)}\n${renderCosts(measured)}\n`)
      console.log(`Written: ${[file, ...writePlots(join(session.results, 'long'), summary)].join(', ')}`)
    } finally {
      await stage.drop()
    }
  }
  if (measured.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
}

async function measureScale(
  { shutdown }: Session,
  stage: Stage,
  scale: Scale,
): Promise<Measured | undefined> {
  const small = houseOf('warm', 4, { sections: 10, rows: 10, seatsPerRow: 50 })
  const houses: Houses = { distinct: scale.house, hot: small, mixed: small, warm: small }
  for (const house of [scale.house, small]) await putHouse(stage.knex, house)
  const size: Size = { count: 0, hot: 0, drain: 0, seconds: 10, warmUp: 5_000, crowdSeconds: 0 }
  return measureRow(scale.name, scaleRow(scale), { stage, size, houses }, shutdown)
}

/** Each row's cost beside that of the first of its kind, which is the smallest. */
function renderCosts(measured: readonly Measured[]): string {
  const kindOf = ({ row }: Measured): string => row.slice(0, row.lastIndexOf('/'))
  return measured
    .map((one) => {
      const smallest = measured.find((other) => kindOf(other) === kindOf(one)) ?? one
      const cost = costOf(one)
      return `${one.row}: ${cost.toFixed(0)} µs of processor each, ${(cost / costOf(smallest)).toFixed(2)} times ${smallest.row}`
    })
    .join('\n')
}

/** The generator's share is no cost of a booking. */
function costOf({ cpuUs }: Measured): number {
  return Object.entries(cpuUs).reduce((sum, [role, us]) => (role === 'load' ? sum : sum + us), 0)
}

await runSession('bench:long', options.install, run)
