import { expect, it } from 'vitest'
import { canHaveOwnServers, ownFolder } from '../support/own-servers.ts'
import { runMixture } from './mixture.ts'

/** The short form of `npm run test:faults`. */
it.skipIf(!canHaveOwnServers())(
  'a random mixture of faults breaks no promise',
  { timeout: 180_000 },
  async () => {
    const seed = 20_261_123
    const report = await runMixture({ seed, durationMs: 15_000, folder: ownFolder(), log: console.log })
    expect({ seed, problems: report.problems }).toEqual({ seed, problems: [] })
    expect(report.accepted).toBeGreaterThan(100)
  },
)
