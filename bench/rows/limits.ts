import { addEntries, countEntries } from '../limits/xadd.ts'
import { insertRows } from '../limits/bulk-inserts.ts'
import { readSeats } from '../checks/read-truth.ts'
import type { Plan } from '../load/plan.ts'
import { answered, CONNECTIONS, distinctPlan, type Row, type Scene } from './scene.ts'

const bare =
  (plan: Plan): Row =>
  async ({ act, size }) => {
    const { port } = await act.announced('server', 'bench-bare', [])
    const load = (count: number, seconds: number): ReturnType<typeof act.load> =>
      act.load({
        ...{ ports: [port], plan, until: 'answer', connections: CONNECTIONS.answer, count, seconds },
        pace: { kind: 'closed', customers: CONNECTIONS.answer },
      })
    await load(2 * size.warmUp, size.seconds)
    const clock = act.clock()
    const report = await load(2 * size.count, size.seconds)
    const count = answered(report, 'accepted')
    return {
      count,
      seconds: report.seconds,
      cpuUs: clock.each(count),
      latencyMs: { ...report.latencyMs },
      wrong: count === report.sent ? [] : [`${report.sent - count} answers were not 200`],
    }
  }

/** Measured in this process, whose processor time stands as that of the load. */
async function xadd(scene: Scene): ReturnType<Row> {
  const { act, size } = scene
  const { redisUrl } = act.stage.servers
  const plan = distinctPlan(scene)
  await addEntries(redisUrl, plan, size.warmUp)
  const [clock, own] = [act.clock(), process.cpuUsage()]
  const seconds = await addEntries(redisUrl, plan, size.count)
  const found = await countEntries(redisUrl)
  return {
    count: size.count,
    seconds,
    cpuUs: { ...clock.each(size.count), load: ownMicroseconds(own) / size.count },
    wrong: found === size.count + size.warmUp ? [] : [`${found} entries`],
  }
}

async function bulkInserts(scene: Scene): ReturnType<Row> {
  const { act, size, houses } = scene
  const { databaseUrl, knex } = act.stage
  const plan = distinctPlan(scene)
  await insertRows(databaseUrl, { ...plan, house: houses.warm }, size.warmUp)
  const [clock, own] = [act.clock(), process.cpuUsage()]
  const seconds = await insertRows(databaseUrl, plan, size.drain)
  const seats = await readSeats(knex, plan.house.performanceIds)
  return {
    count: size.drain,
    seconds,
    cpuUs: { ...clock.each(size.drain), load: ownMicroseconds(own) / size.drain },
    wrong: seats.size === size.drain ? [] : [`${seats.size} seats`],
  }
}

function ownMicroseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

export const limitRows: Readonly<Record<string, Row>> = {
  'limit/bare': bare({ kind: 'get', path: '/bare' }),
  'limit/bare-post': bare({ kind: 'post', path: '/bare' }),
  'limit/xadd': xadd,
  'limit/bulk-inserts': bulkInserts,
}
