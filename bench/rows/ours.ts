import { setTimeout as delay } from 'node:timers/promises'
import { decided, entriesOnStreams, undecided, untilSettled } from '../checks/undecided.ts'
import { readSeats, readWholeHistory } from '../checks/read-truth.ts'
import type { Until } from '../load/job.ts'
import { sectionPath, type BookingPlan, type Plan } from '../load/plan.ts'
import {
  answered,
  closedLoop,
  CONNECTIONS,
  distinctPlan,
  judge,
  warmUp,
  type Houses,
  type Row,
  type Scene,
} from './scene.ts'

const DRAIN_MS = 300_000

/** Requests are accepted, durable in Redis; nobody decides them. */
async function accept(scene: Scene): ReturnType<Row> {
  const { act } = scene
  const server = await act.functions()
  const before = await warmUp(scene, server, 'answer')
  const clock = act.clock()
  const report = await closedLoop(scene, server, distinctPlan(scene), 'answer')
  const count = answered(report, 'accepted')
  const cpuUs = clock.each(count)
  const wrong = count === report.sent ? [] : [`${report.sent - count} were not accepted`]
  // Warmed up on random seats, each request with a key of its own.
  const found = await entriesOnStreams(act.stage.redis, act.stage.knex)
  if (found.length !== before + count) wrong.push(`${found.length} entries of ${before + count} requests`)
  const ids = new Set(found)
  const lost = (await readWholeHistory(act.historyFile)).filter(({ requestId }) => !ids.has(requestId)).length
  if (lost > 0) wrong.push(`${lost} accepted requests are on no stream`)
  return {
    ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
    figures: { rssMb: act.rssMb('server'), lost },
  }
}

/** Full streams, decided and committed. The clock runs from the first decision that is seen to the last. */
async function drain(scene: Scene): ReturnType<Row> {
  const { act, size } = scene
  const { redis, knex } = act.stage
  const server = await act.functions()
  const plan = distinctPlan(scene)
  const report = await act.load({
    ...{ port: server.port, plan, until: 'answer', connections: CONNECTIONS.answer },
    ...{
      pace: { kind: 'closed', customers: CONNECTIONS.answer },
      count: size.drain,
      historyFile: act.historyFile,
    },
  })
  const total = answered(report, 'accepted')
  const before = await decided(knex)
  await act.consumer({}, { ready: false })
  const deadline = performance.now() + DRAIN_MS
  const until = async (enough: number): Promise<number> => {
    for (;;) {
      const found = (await decided(knex)) - before
      if (found >= enough) return found
      if (performance.now() > deadline) throw new Error(`${found} of ${total} were decided in time`)
      await delay(5)
    }
  }
  const first = await until(1)
  const [clock, started] = [act.clock(), performance.now()]
  await until(total)
  const seconds = (performance.now() - started) / 1_000
  const count = total - first
  const cpuUs = clock.each(count)
  await untilSettled(redis, knex)
  const { wrong, lost } = await judge(scene, plan)
  return { count, seconds, cpuUs, figures: { rssMb: act.rssMb('consumer'), lost }, wrong }
}

/** From the request to the outcome that its customer has heard. */
const whole =
  (until: Until, planOf: (scene: Scene) => BookingPlan, countOf: (scene: Scene) => number): Row =>
  async (scene) => {
    const { act } = scene
    const { redis, knex } = act.stage
    await act.consumer()
    const server = await act.functions()
    await warmUp(scene, server, until)
    const plan = planOf(scene)
    const clock = act.clock()
    const report = await closedLoop(scene, server, plan, until, countOf(scene))
    const count = answered(report, 'CONFIRMED', 'REJECTED', 'CANCELLED')
    const cpuUs = clock.each(count)
    await untilSettled(redis, knex)
    const { wrong, lost } = await judge(scene, plan)
    if (count !== report.sent) wrong.push(`${report.sent - count} did not hear an outcome`)
    const { httpRequests, told } = report
    return {
      ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
      figures: {
        ...{ lost, httpRequestsEach: httpRequests / Math.max(1, count) },
        ...{ confirmed: told['CONFIRMED'] ?? 0, cancelled: told['CANCELLED'] ?? 0 },
        ...{ serverRssMb: act.rssMb('server'), consumerRssMb: act.rssMb('consumer') },
      },
    }
  }

const requests = ({ size }: Scene): number => size.count

/** 20,000 requests for 200 seats, or fewer requests. */
const hotPlan = ({ houses }: Scene): BookingPlan => ({
  kind: 'book',
  house: houses.hot,
  seats: 'random',
  keys: 'hot',
})
const hotRequests = ({ size }: Scene): number => size.hot

/** Many ask for few seats, and every third who gets one gives it back. */
const mixedPlan = ({ houses }: Scene): BookingPlan => ({
  ...{ kind: 'book', house: houses.mixed, seats: 'random', keys: 'mixed', cancelEvery: 3 },
})

/** Some bookings, so that there is something to read; then only reads. */
async function readable(scene: Scene): Promise<{ port: number; plan: BookingPlan }> {
  const { act, size } = scene
  await act.consumer()
  const server = await act.functions()
  const plan = distinctPlan(scene)
  await closedLoop(scene, server, plan, 'waited', Math.min(size.count, 5_000))
  await untilSettled(act.stage.redis, act.stage.knex)
  return { port: server.port, plan }
}

async function status(scene: Scene): ReturnType<Row> {
  const { act } = scene
  const { port, plan } = await readable(scene)
  const { wrong } = await judge(scene, plan)
  const measured = await read(scene, port, { kind: 'status', historyFile: act.historyFile })
  return { ...measured, wrong: [...wrong, ...measured.wrong] }
}

const seatMap =
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
      ...{ port, plan, until: 'answer', connections: CONNECTIONS.answer, count, seconds: size.seconds },
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

/** Ten times as many as can be served, for some seconds: what is refused, what is late, what is lost. */
async function flashCrowd(scene: Scene): ReturnType<Row> {
  const { act, size, houses } = scene
  const { redis, knex } = act.stage
  await act.consumer()
  const server = await act.functions()
  await warmUp(scene, server, 'answer')
  const saturation = await saturationOf(scene, server.port, 'answer')
  const plan: BookingPlan = { kind: 'book', house: houses.mixed, seats: 'random', keys: 'crowd' }
  const clock = act.clock()
  const perSecond = Math.round(10 * saturation)
  const report = await act.load({
    ...{
      port: server.port,
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

const CROWD_CONNECTIONS = 2_048
const PATIENCE_MS = 2_000

/** Outcomes at half of what could be done: what a customer of a normal sale waits. */
async function latencyAtHalf(scene: Scene): ReturnType<Row> {
  const { act, size } = scene
  const { redis, knex } = act.stage
  await act.consumer()
  const server = await act.functions()
  await warmUp(scene, server, 'waited')
  const saturation = await saturationOf(scene, server.port, 'waited')
  const plan: BookingPlan = { ...distinctPlan(scene), keys: 'half' }
  const clock = act.clock()
  const perSecond = Math.round(saturation / 2)
  const report = await act.load({
    ...{
      port: server.port,
      plan,
      until: 'waited',
      connections: CONNECTIONS.waited,
      historyFile: act.historyFile,
    },
    ...{
      pace: { kind: 'open', perSecond, patienceMs: 10 * PATIENCE_MS },
      seconds: size.seconds,
      count: size.count,
    },
  })
  const count = answered(report, 'CONFIRMED')
  const cpuUs = clock.each(count)
  await untilSettled(redis, knex)
  const { wrong, lost } = await judge(scene, plan)
  if (count !== report.sent) wrong.push(`${report.sent - count} did not hear an outcome`)
  return {
    ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
    figures: { lost, arrivalsPerSecond: perSecond, saturationPerSecond: saturation },
  }
}

/** Requests a second that this very function server and consumer can do, by a closed loop. */
async function saturationOf(scene: Scene, port: number, until: Until): Promise<number> {
  const { act, size, houses } = scene
  const { redis, knex } = act.stage
  const report = await act.load({
    ...{ port, plan: { kind: 'book', house: houses.warm, seats: 'random', keys: 'saturation' }, until },
    ...{ pace: { kind: 'closed', customers: CONNECTIONS[until] }, connections: CONNECTIONS[until] },
    ...{ count: size.count, seconds: Math.min(size.seconds, 3) },
  })
  await untilSettled(redis, knex)
  return report.sent / report.seconds
}

export const ourRows: Readonly<Record<string, Row>> = {
  'ours/accept': accept,
  'ours/drain': drain,
  'ours/whole-polling': whole('polled', distinctPlan, requests),
  'ours/whole-wait': whole('waited', distinctPlan, requests),
  'ours/hot-polling': whole('polled', hotPlan, hotRequests),
  'ours/hot-wait': whole('waited', hotPlan, hotRequests),
  'ours/status': status,
  'ours/seat-map': seatMap(false),
  'ours/seat-map-unchanged': seatMap(true),
  'ours/mixed': whole('waited', mixedPlan, requests),
  'ours/flash-crowd': flashCrowd,
  'ours/latency-half': latencyAtHalf,
}
