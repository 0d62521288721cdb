import { undecided, untilSettled } from '../checks/undecided.ts'
import type { Until } from '../load/job.ts'
import type { BookingPlan } from '../load/plan.ts'
import { watchSyncs } from '../server-figures.ts'
import { answered, CONNECTIONS, distinctPlan, judge, warmUp, type Row, type Scene } from './scene.ts'

/** Those of the crowd who can be connected at a time. */
const CROWD_CONNECTIONS = 2_048
/** One of the crowd who finds no connection for so long goes away. */
const PATIENCE_MS = 2_000

/** Ten times as many as can be served, for some seconds: what is refused, what is late, what is lost. */
export async function flashCrowd(scene: Scene): ReturnType<Row> {
  const { act, size, houses } = scene
  const { redis, knex } = act.stage
  const { server } = await act.deployment()
  await warmUp(scene, server, 'answer')
  const saturation = await saturationOf(scene, server.port, 'answer')
  const plan: BookingPlan = { kind: 'book', house: houses.mixed, seats: 'random', keys: 'crowd' }
  const clock = act.clock()
  const perSecond = Math.round(10 * saturation)
  const report = await act.load({
    ...{
      ports: [server.port],
      plan,
      until: 'answer',
      connections: CROWD_CONNECTIONS,
      historyFile: act.historyFile,
    },
    ...{ pace: { kind: 'open', perSecond, patienceMs: PATIENCE_MS }, seconds: size.crowdSeconds },
  })
  const count = answered(report, 'accepted', 'CONFIRMED', 'REJECTED')
  const cpuUs = clock.each(count)
  const backlog = await undecided(redis, knex)
  await untilSettled(redis, knex)
  const { wrong, lost } = await judge(scene, plan)
  if (lost > 0) wrong.push(`${lost} accepted requests were lost`)
  const { told, late, acceptedSeconds } = report
  return {
    ...{ count, seconds: acceptedSeconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
    figures: {
      ...{ arrivals: Math.round(perSecond * size.crowdSeconds), arrivalsPerSecond: perSecond },
      ...{
        refused: told['refused'] ?? 0,
        wentAway: told['unsent'] ?? 0,
        unanswered: told['unanswered'] ?? 0,
      },
      ...{ late, lost, backlog, saturationPerSecond: saturation },
      acceptedToSaturation: count / acceptedSeconds / saturation,
      serverRssMb: act.rssMb('server'),
    },
  }
}

/**
 * The first second is told apart from the rest: it loads the seats of a whole hall, and a second of ten would alone be the
 * percentile.
 */
const OPENING_MS = 1_000

/**
 * Outcomes at a part of what could be done: what a customer of a sale waits that is not sold out within seconds.
 *
 * @param load part of saturation, which is measured first
 */
export const latencyAt =
  (load: number): Row =>
  async (scene) => {
    const { act, size } = scene
    const { redis, knex } = act.stage
    const { server } = await act.deployment()
    await warmUp(scene, server, 'waited')
    const saturation = await saturationOf(scene, server.port, 'waited')
    const plan: BookingPlan = { ...distinctPlan(scene), keys: 'load' }
    const syncs = await watchSyncs(redis)
    const clock = act.clock()
    const perSecond = Math.round(saturation * load)
    const report = await act.load({
      ...{
        ports: [server.port],
        plan,
        until: 'waited',
        connections: CONNECTIONS.waited,
        historyFile: act.historyFile,
      },
      ...{
        pace: { kind: 'open', perSecond, patienceMs: 10 * PATIENCE_MS, openingMs: OPENING_MS },
        seconds: OPENING_MS / 1_000 + size.seconds,
        count: size.count,
      },
    })
    const count = answered(report, 'CONFIRMED')
    const cpuUs = clock.each(count)
    const longestSync = await syncs()
    await untilSettled(redis, knex)
    const { wrong, lost } = await judge(scene, plan)
    if (count !== report.sent) {
      const told = JSON.stringify(report.told)
      wrong.push(`${report.sent - count} did not hear that they got their seat; they were told ${told}`)
    }
    return {
      ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
      figures: {
        ...{ lost, arrivalsPerSecond: perSecond, saturationPerSecond: saturation },
        ...{ openingP50Ms: report.openingMs.p50, openingP99Ms: report.openingMs.p99 },
        ...longestSync,
      },
    }
  }

/** Requests a second that this very function server and consumer can do, by a closed loop. */
async function saturationOf(scene: Scene, port: number, until: Until): Promise<number> {
  const { act, size, houses } = scene
  const { redis, knex } = act.stage
  const report = await act.load({
    ...{
      ports: [port],
      plan: { kind: 'book', house: houses.warm, seats: 'random', keys: 'saturation' },
      until,
    },
    ...{ pace: { kind: 'closed', customers: CONNECTIONS[until] }, connections: CONNECTIONS[until] },
    ...{ count: size.count, seconds: Math.min(size.seconds, 3) },
  })
  await untilSettled(redis, knex)
  return report.sent / report.seconds
}
