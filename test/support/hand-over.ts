import { setTimeout as sleep } from 'node:timers/promises'
import type { Deployment } from './deployment.ts'
import { inFigures } from './figures.ts'
import { movedPartitions, newestMap, storedMaps } from './ownership.ts'
import type { StreamWatch } from './stream-watch.ts'

/** How long partitions stood still, in milliseconds, by whether a map gave them to another owner. */
export interface StoodStill {
  readonly moved: number[]
  readonly stayed: number[]
}

/** After the last partition is claimed: until what waited for it has been decided and shown. */
const AFTERWARDS_MS = 300

/** Measures hand-overs under a load that asks something of every partition again and again. */
export class HandOvers {
  private readonly deployment: Deployment
  private readonly found = new Map<string, StoodStill>()
  private readonly generations = new Map<string, number[]>()

  constructor(deployment: Deployment) {
    this.deployment = deployment
  }

  /** Makes something happen, which ends when every partition has its owner, and notes under a name how it went. */
  async during(name: string, watch: StreamWatch, happening: () => Promise<unknown>): Promise<void> {
    watch.longestMs()
    const before = await newestMap(this.deployment)
    await happening()
    await sleep(AFTERWARDS_MS)
    const longest = watch.longestMs()
    const maps = (await storedMaps(this.deployment)).filter((map) => map.generation >= before.generation)
    const moving = movedPartitions(maps)
    const { moved, stayed } = this.of(name)
    longest.forEach((ms, partition) => (moving.has(partition) ? moved : stayed).push(ms))
    this.generations.set(name, [...(this.generations.get(name) ?? []), maps.length - 1])
  }

  of(name: string): StoodStill {
    const found = this.found.get(name) ?? { moved: [], stayed: [] }
    this.found.set(name, found)
    return found
  }

  /** In lines to print. */
  tell(): string[] {
    return [...this.found].flatMap(([name, { moved, stayed }]) => [
      `${name}: moved ${inFigures(moved)}; generations ${(this.generations.get(name) ?? []).join(' ')}`,
      `${name}: stayed ${inFigures(stayed)}`,
    ])
  }
}
