import { randomInt, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { removeLeftovers } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { runMixture } from './mixture.ts'

/**
 * `npm run test:faults -- --minutes M --seed N`: random mixtures of faults for as long as one likes. Exit codes: 0 all
 * is well, 1 something is wrong, 2 it could not go on.
 */

const positive = (text: string): number => {
  const number = Number(text)
  if (number > 0) return number
  throw new InvalidArgumentError('It must be a number above 0.')
}

const { minutes, seed } = new Command('npm run test:faults --')
  .option('--minutes <number>', 'how long', positive, 5)
  .option('--seed <number>', 'chooses the faults; drawn if it is not given', positive, randomInt(1, 2 ** 31))
  .option('--no-install', 'do not install what is missing')
  .parse()
  .opts<{ minutes: number; seed: number }>()

const folder = join(projectRoot(), '.local', `faults-${randomUUID()}`)
mkdirSync(folder, { recursive: true, mode: 0o700 })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The processes under test end with this one; servers have to be told.
  process.once(signal, () => {
    void removeLeftovers(folder).then(() => process.exit(130))
  })
}
console.log(`Seed ${seed}, for ${minutes} minutes.`)
const finish = async (code: number): Promise<never> => {
  // Ends servers too that a failure half-way has left behind.
  await removeLeftovers(folder)
  process.exit(code)
}
const report = await runMixture({
  seed,
  durationMs: minutes * 60_000,
  folder,
  log: console.log,
  measure: true,
}).catch((error: unknown) => {
  console.error(error)
  return finish(2)
})
for (const line of report.figures) console.log(line)
for (const problem of report.problems) console.log(problem)
const { rounds, accepted, refused } = report
console.log(`${rounds} rounds, ${accepted} requests accepted, ${refused} refused.`)
console.log(
  report.problems.length === 0 ? 'Nothing wrong.' : `Wrong: see above. --seed ${seed} does it again.`,
)
await finish(report.problems.length === 0 ? 0 : 1)
