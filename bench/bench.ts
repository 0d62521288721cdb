import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { findServers } from '../deploy/local/find-servers.ts'
import { projectRoot } from '../deploy/local/project-root.ts'
import { messageOf } from '../deploy/local/setup-error.ts'
import { Shutdown } from '../deploy/local/shutdown.ts'
import { Act } from './act.ts'
import type { Measured } from './row.ts'
import { limitRows } from './rows/limits.ts'
import { ourRows } from './rows/ours.ts'
import { peerRows } from './rows/peers.ts'
import { buildHouses, type Houses, type Row, type Size } from './rows/scene.ts'
import { Stage } from './stage.ts'

/**
 * `npm run bench`: every row once a round, in turn, on servers of its own. Rows of one round were measured within minutes of
 * each other on the same machine, so they compare with each other; they say nothing about another machine's.
 */
const WHOLE: Size = { count: 40_000, seconds: 10, warmUp: 6_000, hot: 20_000, drain: 60_000, crowdSeconds: 5 }
const QUICK: Size = { count: 12_000, seconds: 2, warmUp: 3_000, hot: 6_000, drain: 30_000, crowdSeconds: 2 }
const WHOLE_ROUNDS = 5

interface Options {
  readonly quick: boolean
  readonly rounds: number | undefined
  readonly only: readonly string[] | undefined
  readonly size: number | undefined
  readonly install: boolean
}

async function main(): Promise<void> {
  const options = parseOptions()
  const shutdown = new Shutdown(console.log)
  try {
    await run(options, shutdown)
  } finally {
    await shutdown.run()
  }
}

function parseOptions(): Options {
  const whole = (text: string): number => {
    const number = Number(text)
    if (Number.isInteger(number) && number >= 1 && number <= 10_000_000) return number
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  }
  return new Command('npm run bench --')
    .option('--quick', 'small rows, one round: about a minute', false)
    .option('--rounds <number>', 'how often each row is measured', whole)
    .option('--only <rows>', 'rows, or beginnings of their names, separated by commas', (text) =>
      text.split(','),
    )
    .option('--size <number>', 'requests of a row', whole)
    .option('--no-install', 'do not install what is missing')
    .allowExcessArguments(false)
    .parse()
    .opts<Options>()
}

async function run(options: Options, shutdown: Shutdown): Promise<void> {
  const rows = chosenRows(options.only)
  const size = sizeOf(options)
  const rounds = options.rounds ?? (options.quick ? 1 : WHOLE_ROUNDS)
  const dir = mkdtempSync(join(tmpdir(), 'frontrow-bench-'))
  shutdown.add({
    what: 'what was written',
    inOrder: () => Promise.resolve(rmSync(dir, { recursive: true, force: true })),
  })
  const servers = await findServers({
    ...{ dataDir: dir, allowInstall: options.install, keepData: false, environment: {}, log: console.log },
  })
  shutdown.add({ what: 'Redis and MySQL', inOrder: () => servers.stop() })
  console.log(`Servers: ${servers.description}`)
  if (shutdown.isAsked()) return
  const stage = await Stage.on(servers, dir, 'frontrow_bench')
  shutdown.add({ what: 'connections', inOrder: () => stage.close() })
  const houses = await buildHouses(stage, size)
  const measured: Measured[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const [name, row] of rows) {
      if (shutdown.isAsked()) return
      const result = await measure(name, row, { stage, size, houses }, shutdown)
      if (result === undefined) return
      measured.push(result)
      console.log(`${round}/${rounds}  ${lineOf(result)}`)
      save(stage, measured)
    }
  }
  if (measured.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
}

function sizeOf({ quick, size }: Options): Size {
  const usual = quick ? QUICK : WHOLE
  return size === undefined ? usual : { ...usual, count: size, hot: size, drain: size }
}

function chosenRows(only: readonly string[] | undefined): [string, Row][] {
  const all = Object.entries({ ...limitRows, ...peerRows(), ...ourRows })
  const names = new Set(all.map(([name]) => name))
  // A whole name means that row, anything else all that begin with it.
  const isMeant = (name: string, wish: string): boolean =>
    names.has(wish) ? name === wish : name.startsWith(wish)
  const chosen = all.filter(([name]) => only?.some((wish) => isMeant(name, wish)) ?? true)
  if (chosen.length === 0)
    throw new Error(`There is no such row; there are ${all.map(([name]) => name).join(', ')}.`)
  return chosen
}

interface Given {
  readonly stage: Stage
  readonly size: Size
  readonly houses: Houses
}

/** Undefined if it was interrupted. A row that fails says so, and the others are measured all the same. */
async function measure(
  name: string,
  row: Row,
  { stage, size, houses }: Given,
  shutdown: Shutdown,
): Promise<Measured | undefined> {
  const act = await Act.begin(stage, name)
  try {
    const result = row({ act, size, houses })
    // What it waits for then ends with its processes.
    result.catch(() => undefined)
    const measured = await Promise.race([result, shutdown.asked.then(() => undefined)])
    return measured && { row: name, ...measured }
  } catch (error) {
    return { row: name, count: 0, seconds: 0, cpuUs: {}, wrong: [messageOf(error)] }
  } finally {
    await act.end()
  }
}

/** One row in one line. */
function lineOf({ row, count, seconds, cpuUs, latencyMs, figures = {}, wrong }: Measured): string {
  const rate = seconds > 0 ? Math.round(count / seconds) : 0
  const costs = Object.entries(cpuUs).map(([role, us]) => `${role} ${us.toFixed(0)}`)
  const times =
    latencyMs === undefined ? '' : `  p50 ${fixed(latencyMs['p50'])} p99 ${fixed(latencyMs['p99'])} ms`
  const own = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`)
  const failed = wrong.length === 0 ? '' : `  FAILED: ${wrong.slice(0, 3).join('; ')} (${wrong.length})`
  return `${row.padEnd(28)}${String(rate).padStart(7)}/s  ${String(count).padStart(6)} in ${seconds.toFixed(2)} s${times}  µs: ${costs.join(' ')}  ${own.join(' ')}${failed}`
}

const fixed = (ms: number | undefined): string => (ms ?? 0).toFixed(1)

function save({ head }: Stage, measured: readonly Measured[]): void {
  const dir = join(projectRoot(), '.local', 'bench')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'latest.json'), `${JSON.stringify({ head, measured }, undefined, 1)}\n`)
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(messageOf(error))
    process.exit(1)
  },
)
