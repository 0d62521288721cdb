import { partitionOf, type Topology } from '../../shared/placement.ts'
import type { Deployment, House } from './deployment.ts'
import type { Wished } from './history.ts'
import { judge } from './judge.ts'
import { Load } from './load.ts'
import { seededRandom } from './random.ts'

/** Rows and seats of a section: enough for some thousand wishes to be decided either way. */
const ROWS = 30
const SEATS = 30

/**
 * A sale in which every partition gets a request every few milliseconds, whatever becomes of the others: a performance
 * for each shard, a section for each partition, a customer for each section who asks again and again.
 */
export class SteadySale {
  private readonly deployment: Deployment
  private readonly url: string
  private readonly loads: readonly Load[]

  private constructor(deployment: Deployment, url: string, loads: readonly Load[]) {
    this.deployment = deployment
    this.url = url
    this.loads = loads
  }

  /**
   * @param options.name of its own where a deployment has several sales
   * @param options.pauseMs of each customer between a wish and the next
   */
  static async open(
    deployment: Deployment,
    options: { url: string; topology: Topology; name?: string; pauseMs?: number },
  ): Promise<SteadySale> {
    const { url, topology, name = 'sale', pauseMs = 40 } = options
    const houses = housesOnEveryPartition(topology, name)
    for (const house of houses) await deployment.putHouse(house)
    const loads = houses.map(
      (house, i) =>
        new Load({ urls: () => [url], house, random: seededRandom(i), customers: 'one a section', pauseMs }),
    )
    return new SteadySale(deployment, url, loads)
  }

  get accepted(): number {
    return this.loads.reduce((sum, { accepted }) => sum + accepted, 0)
  }

  /** Ends the sale, waits until all is decided, and answers with what the judge finds wrong. */
  async close(): Promise<readonly string[]> {
    const histories = await Promise.all(this.loads.map((load) => load.stop()))
    const history: readonly Wished[] = histories.flat()
    await this.deployment.settled()
    return judge({ history, deployment: this.deployment, url: this.url })
  }
}

function housesOnEveryPartition(topology: Topology, name: string): House[] {
  const houses = new Map<number, House>()
  for (let i = 0; houses.size < topology.shards; i++) {
    const performanceId = `${name}-${i}`
    const { shard } = partitionOf(topology, performanceId, '')
    if (houses.has(shard)) continue
    const [first = '', ...others] = sectionsOnEveryPartition(topology, performanceId)
    houses.set(shard, { performanceId, sectionIds: [first, ...others], rows: ROWS, seats: SEATS })
  }
  return [...houses.values()]
}

function sectionsOnEveryPartition(topology: Topology, performanceId: string): string[] {
  const sections = new Map<number, string>()
  for (let i = 0; sections.size < topology.partitionsPerShard; i++) {
    const sectionId = `section-${i}`
    const { number } = partitionOf(topology, performanceId, sectionId)
    if (!sections.has(number)) sections.set(number, sectionId)
  }
  return [...sections.values()]
}
