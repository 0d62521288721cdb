import { describe, expect, it } from 'vitest'
import { guards, type Guard } from './guards.ts'
import { simulate, type SimulationReport } from './simulation.ts'

/** How long new seeds are begun. `npm run simulate` takes more of them. */
const BUDGET_MS = 45_000
const STEPS = 250

const membersOf = (seed: number): number => 1 + (seed % 5)

describe('the ownership protocol, simulated', () => {
  it(`breaks no promise and comes to rest, whatever happens: seeds from 1, for ${BUDGET_MS / 1_000} s`, async () => {
    const startedAt = performance.now()
    const sum = { seeds: 0, decisions: 0, refusedAtOnce: 0, claims: 0, generations: 0, longestRestMs: 0 }
    for (let seed = 1; performance.now() - startedAt < BUDGET_MS; seed++) {
      const report = await simulate({ seed, steps: STEPS, members: membersOf(seed) })
      expect(report.problems, tell(seed, report)).toEqual([])
      sum.seeds += 1
      sum.decisions += report.decisions
      sum.refusedAtOnce += report.refusedAtOnce
      sum.claims += report.claims
      sum.generations += report.generations
      sum.longestRestMs = Math.max(sum.longestRestMs, report.restMs)
    }
    console.log(
      `${sum.seeds} seeds: ${sum.decisions} decisions, ${sum.refusedAtOnce} refused at once, ${sum.claims} claims, ${sum.generations} generations; ` +
        `at rest ${Math.round(sum.longestRestMs)} ms after the last fault at most (simulated)`,
    )
    // Something must have happened, or nothing was shown.
    expect(sum.decisions).toBeGreaterThan(20 * sum.seeds)
    expect(sum.refusedAtOnce).toBeGreaterThan(2 * sum.seeds)
    expect(sum.claims).toBeGreaterThan(6 * sum.seeds)
    expect(sum.generations).toBeGreaterThan(2 * sum.seeds)
  })

  it('replays a seed to the letter', async () => {
    const once = await simulate({ seed: 42, steps: STEPS, members: 3 })
    const again = await simulate({ seed: 42, steps: STEPS, members: 3 })
    expect(again).toEqual(once)
    const other = await simulate({ seed: 43, steps: STEPS, members: 3 })
    expect(other.history).not.toEqual(once.history)
  })

  // The rest of the guards takes more seeds: `npm run simulate -- --mutations`.
  it.each<Guard>(['epoch', 'duplicate', 'place', 'cancel'])(
    'notices when a guard is missing: %s',
    async (without) => {
      expect(guards[without]).toBeDefined()
      let problems: readonly string[] = []
      for (let seed = 1; problems.length === 0 && seed <= 300; seed++) {
        ;({ problems } = await simulate({ seed, steps: STEPS, members: membersOf(seed), without }))
      }
      expect(problems).not.toEqual([])
    },
  )
})

function tell(seed: number, { history, problems }: SimulationReport): string {
  return `seed ${seed}; do it again: npm run simulate -- --seed ${seed} --steps ${STEPS} --members ${membersOf(seed)}
${[...history.slice(-60), ...problems].join('\n')}`
}
