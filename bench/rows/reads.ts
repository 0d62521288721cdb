import { readSeats } from '../checks/read-truth.ts'
import { untilSettled } from '../checks/undecided.ts'
import { sectionPath, type BookingPlan, type Plan } from '../load/plan.ts'
import {
  answered,
  closedLoop,
  CONNECTIONS,
  distinctPlan,
  judge,
  type Houses,
  type Row,
  type Scene,
} from './scene.ts'

/** Some bookings, so that there is something to read; then only reads. */
async function readable(scene: Scene): Promise<{ port: number; plan: BookingPlan }> {
  const { act, size } = scene
  const { server } = await act.deployment()
  const plan = distinctPlan(scene)
  await closedLoop(scene, server, plan, 'waited', Math.min(size.count, 5_000))
  await untilSettled(act.stage.redis, act.stage.knex)
  return { port: server.port, plan }
}

export async function status(scene: Scene): ReturnType<Row> {
  const { act } = scene
  const { port, plan } = await readable(scene)
  const { wrong } = await judge(scene, plan)
  const measured = await read(scene, port, { kind: 'status', historyFile: act.historyFile })
  return { ...measured, wrong: [...wrong, ...measured.wrong] }
}

export const seatMap =
  (conditional: boolean): Row =>
  async (scene) => {
    const { houses, act } = scene
    const { port } = await readable(scene)
    const measured = await read(scene, port, { kind: 'seat-map', house: houses.distinct, conditional })
    const wrong = await checkSeatMaps(
      port,
      houses,
      await readSeats(act.stage.knex, houses.distinct.performanceIds),
    )
    return { ...measured, wrong: [...wrong, ...measured.wrong] }
  }

async function read({ act, size }: Scene, port: number, plan: Plan): ReturnType<Row> {
  const load = (count: number): ReturnType<typeof act.load> =>
    act.load({
      ...{
        ports: [port],
        plan,
        until: 'answer',
        connections: CONNECTIONS.answer,
        count,
        seconds: size.seconds,
      },
      pace: { kind: 'closed', customers: CONNECTIONS.answer },
    })
  await load(size.warmUp)
  const clock = act.clock()
  const report = await load(size.count)
  const count = answered(report, 'accepted', 'CONFIRMED')
  return {
    count,
    seconds: report.seconds,
    cpuUs: clock.each(count),
    latencyMs: { ...report.latencyMs },
    figures: { unchanged: report.statuses['304'] ?? 0 },
    wrong: count === report.sent ? [] : [`${report.sent - count} were not answered as they should`],
  }
}

/** Some sections as they are shown, against the table. */
async function checkSeatMaps(
  port: number,
  { distinct }: Houses,
  seats: ReadonlyMap<string, string>,
): Promise<string[]> {
  const wrong: string[] = []
  for (let request = 0; request < 20; request++) {
    const path = sectionPath(distinct, request)
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    const { performanceId, sectionId, taken } = (await response.json()) as {
      performanceId: string
      sectionId: string
      taken: string[]
    }
    const start = `${performanceId}/${sectionId}/`
    const stored = [...seats.keys()]
      .filter((seat) => seat.startsWith(start))
      .map((seat) => seat.slice(start.length))
    if ([...taken].sort().join() !== stored.sort().join())
      wrong.push(`${path} shows ${taken.length} of ${stored.length}`)
  }
  return wrong
}
