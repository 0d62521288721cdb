import { decided, undecided, untilSettled } from '../checks/undecided.ts'
import { houseOf, type Rooms } from '../house-of.ts'
import { seatCount, type House } from '../load/house.ts'
import { outcomeBytes, redisBytes } from '../server-figures.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { answered, CONNECTIONS, distinctPlan, judge, warmUp, type Row } from './scene.ts'

/** A deployment and what it is asked for; everything is small unless a row is about it. */
export interface Scale {
  readonly name: string
  readonly requests: number
  readonly partitions: number
  readonly consumers: number
  readonly functions: number
  readonly house: House
  /** All requests are accepted before the first is decided. */
  readonly backlog: boolean
}

const SHARDS = 4
const SMALL = 10_000
const SMALL_PARTITIONS = 64
/** Enough for a cost of each that start and end hardly touch. */
const USUAL = 40_000
const HOURS_MS = 3 * 3_600_000

const hall: Rooms = { sections: 50, rows: 15, seatsPerRow: 20 }

function scale(name: string, change: Partial<Omit<Scale, 'name'>> = {}): Scale {
  const { requests = USUAL } = change
  const performances = Math.ceil(requests / seatCount({ ...hall, performanceIds: ['one'] }) / SHARDS) * SHARDS
  return {
    ...{
      name: `scale/${name}`,
      requests,
      partitions: SMALL_PARTITIONS,
      consumers: 1,
      functions: 1,
      backlog: false,
    },
    house: houseOf('scale', performances, hall),
    ...change,
  }
}

/** Halls whose seats together are as many as there are requests. */
function hallsOf(seats: number): Scale {
  const sections = Math.max(4, Math.ceil(seats / 1_200))
  const rows = Math.max(5, Math.ceil(seats / sections / 60))
  const seatsPerRow = Math.ceil(seats / sections / rows)
  const halls = Math.ceil(HALL_REQUESTS / seats)
  return scale(`hall/${seats}`, {
    requests: HALL_REQUESTS,
    house: houseOf('hall', halls, { sections, rows, seatsPerRow }),
  })
}

const HALL_REQUESTS = 60_000

/** The smallest of each kind comes first: the others are compared with it. */
export const scales: readonly Scale[] = [
  ...[SMALL, 100_000, 1_000_000].map((requests) => scale(`requests/${requests}`, { requests })),
  ...[64, 256, 1_024, 4_096].map((partitions) => scale(`partitions/${partitions}`, { partitions })),
  ...[1, 2, 3, 4].map((consumers) => scale(`consumers/${consumers}`, { consumers })),
  ...[1, 2, 3, 4].map((functions) => scale(`functions/${functions}`, { functions })),
  ...[200, 2_000, 20_000, 60_000].map(hallsOf),
  ...[SMALL, 1_000_000].map((requests) => scale(`backlog/${requests}`, { requests, backlog: true })),
]

/** The whole way by waiting, and what a booking costs all processes together. */
export const scaleRow =
  (scale: Scale): Row =>
  async (scene) => {
    const { act } = scene
    const { redis, knex } = act.stage
    const settings = { PARTITIONS_PER_SHARD: String(scale.partitions / SHARDS), SHARDS: String(SHARDS) }
    for (let i = 0; i < scale.consumers && !scale.backlog; i++) await act.consumer(settings)
    const servers = []
    for (let i = 0; i < scale.functions; i++) servers.push(await act.functions(settings))
    const until = scale.backlog ? 'answer' : 'waited'
    if (!scale.backlog) for (const server of servers) await warmUp(scene, server, until)
    const plan = distinctPlan(scene)
    const bytes = await redisBytes(redis)
    const clock = act.clock()
    const report = await act.load({
      ...{ ports: servers.map(({ port }) => port), plan, until, connections: CONNECTIONS[until] },
      ...{ pace: { kind: 'closed', customers: CONNECTIONS[until] }, historyFile: act.historyFile },
      ...{ count: scale.requests, seconds: HOURS_MS / 1_000 },
    })
    const count = answered(report, 'accepted', 'CONFIRMED')
    if (!scale.backlog) await untilSettled(redis, knex, HOURS_MS)
    const cpuUs = clock.each(count)
    const filled = { redisBytesEach: ((await redisBytes(redis)) - bytes) / count }
    const drained = scale.backlog ? await drainBacklog(scene, settings, count) : undefined
    const { wrong, lost } = await judge(scene, plan)
    if (count !== report.sent) wrong.push(`${report.sent - count} were not answered as they should`)
    return {
      ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
      ...drained,
      figures: {
        ...{ lost, ...filled, ...drained?.figures, outcomeBytes: await outcomeBytes(redis) },
        ...{ serverRssMb: act.rssMb('server'), consumerRssMb: act.rssMb('consumer') },
      },
    }
  }

/** Starts a consumer in front of full streams; the clock runs from its first decision. */
async function drainBacklog(
  { act }: Parameters<Row>[0],
  settings: Readonly<Record<string, string>>,
  total: number,
): Promise<Pick<Awaited<ReturnType<Row>>, 'count' | 'seconds' | 'cpuUs' | 'figures'>> {
  const { redis, knex } = act.stage
  const waiting = await undecided(redis, knex)
  const before = await decided(knex)
  const since = performance.now()
  await act.consumer(settings, { ready: false })
  while ((await decided(knex)) === before) {
    if (performance.now() - since > START_MS) throw new Error('the consumer decides nothing')
    await delay(20)
  }
  const [first, started, clock] = [(await decided(knex)) - before, performance.now(), act.clock()]
  await untilSettled(redis, knex, HOURS_MS)
  const count = total - first
  const seconds = (performance.now() - started) / 1_000
  return { count, seconds, cpuUs: clock.each(count), figures: { backlog: waiting, startMs: started - since } }
}

const START_MS = 120_000
