import { setTimeout as sleep } from 'node:timers/promises'
import type { House } from '../support/deployment.ts'
import { wasAccepted, wasRefused } from '../support/history.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { HandOvers } from '../support/hand-over.ts'
import { Cast, strikes } from './cast.ts'
import { measureHandOvers } from './measure-hand-overs.ts'

export interface MixtureOptions {
  /** Chooses what strikes, when, and for how long. What the machine makes of it differs from run to run. */
  readonly seed: number
  /** A round is always finished. */
  readonly durationMs: number
  /** For servers and logs; removed at the end. */
  readonly folder: string
  readonly log: (line: string) => void
  /** After each round, when everything has healed, measures hand-overs. */
  readonly measure?: boolean
}

export interface MixtureReport {
  readonly rounds: number
  readonly accepted: number
  readonly refused: number
  /** Of the hand-overs, in lines to print. */
  readonly figures: readonly string[]
  /** What was found wrong, with what was done and told; empty if all is well. */
  readonly problems: readonly string[]
}

/** Length of a round, in which faults strike one after the other. Then everything heals, and the judge looks. */
const ROUND_MS = 15_000

/** Runs rounds of random faults under load until the time is over or something is wrong. */
export async function runMixture(options: MixtureOptions): Promise<MixtureReport> {
  const { seed, durationMs, folder, log, measure = false } = options
  const random = seededRandom(seed)
  const deadline = performance.now() + durationMs
  const cast = await Cast.assemble(folder, random)
  const handOvers = new HandOvers(cast.deployment)
  const count = { rounds: 0, accepted: 0, refused: 0 }
  const report = (problems: readonly string[]): MixtureReport => ({
    ...count,
    figures: handOvers.tell(),
    problems,
  })
  try {
    for (;;) {
      count.rounds += 1
      const round = await playRound(cast, count.rounds, Math.min(ROUND_MS, durationMs))
      count.accepted += round.accepted
      count.refused += round.refused
      log(
        `round ${count.rounds}: ${round.accepted} accepted, ${round.refused} refused; ${round.struck.join(', ')}`,
      )
      if (round.problems.length > 0) return report([...round.events, ...round.problems])
      const problems = measure ? await measureHandOvers(cast, handOvers, `calm-${count.rounds}`) : []
      if (problems.length > 0 || performance.now() >= deadline) return report(problems)
    }
  } finally {
    await cast.dismiss()
  }
}

interface Round {
  readonly accepted: number
  readonly refused: number
  readonly struck: readonly string[]
  /** With the same clock as the history. */
  readonly events: readonly string[]
  readonly problems: readonly string[]
}

async function playRound(cast: Cast, number: number, lengthMs: number): Promise<Round> {
  const { deployment, random } = cast
  cast.clockJumped = false
  const house: House = {
    performanceId: `round-${number}`,
    sectionIds: ['A', 'B', 'C', 'D'],
    rows: 20,
    seats: 20,
  }
  await deployment.putHouse(house)
  const [one, two] = cast.functions
  if (one === undefined || two === undefined) throw new Error('no function servers')
  const load = new Load({
    urls: () => [one.process.url, two.process.url],
    house,
    random: seededRandom(number),
    customers: 5,
  })
  const events: string[] = []
  const struck: string[] = []
  const note = (what: string): number => events.push(`${Math.round(performance.now())} ${what}`)
  const names = Object.keys(strikes)
  const endsAt = performance.now() + lengthMs
  while (performance.now() < endsAt) {
    await sleep(random.whole(0, 800))
    const name = names[random.whole(0, names.length)] ?? ''
    struck.push(name)
    note(name)
    await strikes[name]?.(cast)
    note(`${name}: over`)
  }
  await cast.heal()
  note('healed')
  const problems: string[] = []
  const before = load.accepted
  const expectSoon = async (what: string, holds: () => Promise<unknown>): Promise<void> => {
    await holds().catch((error: unknown) => problems.push(`${what}: ${String(error)}`))
  }
  await expectSoon('nothing is accepted any more', () => until(() => load.accepted > before + 20, 30_000))
  const history = await load.stop()
  await expectSoon('something stands still', () => deployment.settled(30_000))
  const { clockJumped } = cast
  problems.push(...(await judge({ history, deployment, url: one.process.url, clockJumped })))
  for (const { process } of cast.consumers) {
    const wrong = await process.count('frontrow_wrong_memory_total')
    if (wrong > 0) problems.push(`${process.name}: memory was wrong ${wrong} times`)
  }
  return {
    accepted: history.filter(({ attempts }) => wasAccepted(attempts)).length,
    refused: history.filter(({ attempts }) => wasRefused(attempts)).length,
    struck,
    events,
    problems,
  }
}
