import { countPlainEntries } from '../limits/plain-streams.ts'
import { addEntries, countEntries } from '../limits/xadd.ts'
import { insertRows } from '../limits/bulk-inserts.ts'
import { readSeats } from '../checks/read-truth.ts'
import type { Plan } from '../load/plan.ts'
import { plainDrain } from './accept-and-drain.ts'
import type { Measured } from '../row.ts'
import { answered, CONNECTIONS, distinctPlan, type Row, type Scene } from './scene.ts'

/** A plan's requests to the bare server, and how many there were before to warm it up. */
async function fromBareServer(
  { act, size }: Scene,
  plan: Plan,
  count: number,
): Promise<{ readonly warm: number; readonly measured: Omit<Measured, 'row'> }> {
  const { port } = await act.announced('server', 'bench-bare', [])
  const load = (requests: number): ReturnType<typeof act.load> =>
    act.load({
      ...{ ports: [port], plan, until: 'answer', connections: CONNECTIONS.answer },
      ...{ count: requests, seconds: size.seconds },
      pace: { kind: 'closed', customers: CONNECTIONS.answer },
    })
  const { sent: warm } = await load(2 * size.warmUp)
  const clock = act.clock()
  const report = await load(count)
  const accepted = answered(report, 'accepted')
  const measured = {
    ...{ count: accepted, seconds: report.seconds, cpuUs: clock.each(accepted) },
    latencyMs: { ...report.latencyMs },
    wrong: accepted === report.sent ? [] : [`${report.sent - accepted} were not answered as they should be`],
  }
  return { warm, measured }
}

const bare =
  (plan: Plan): Row =>
  async (scene) => {
    const { measured } = await fromBareServer(scene, plan, 2 * scene.size.count)
    return measured
  }

/** What accepts cost that keep no promise but that Redis has them. */
async function plainAccept(scene: Scene): ReturnType<Row> {
  const { warm, measured } = await fromBareServer(scene, distinctPlan(scene), scene.size.count)
  const found = await countPlainEntries(scene.act.stage.redis)
  const wrong =
    found === warm + measured.count ? [] : [`${found} entries of ${warm + measured.count} requests`]
  return { ...measured, wrong: [...measured.wrong, ...wrong] }
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

/** The same work by code that promises nothing: what is left to gain, and what the promises cost. */
export const plainRows: Readonly<Record<string, Row>> = {
  'plain/accept': plainAccept,
  'plain/drain': plainDrain,
}
