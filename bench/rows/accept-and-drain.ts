import { setTimeout as delay } from 'node:timers/promises'
import { readWholeHistory } from '../checks/read-truth.ts'
import { decided, entriesOnStreams, untilSettled } from '../checks/undecided.ts'
import { outcomeBytes, redisBytes, transactionFigures } from '../server-figures.ts'
import type { Served } from '../act.ts'
import {
  answered,
  closedLoop,
  CONNECTIONS,
  distinctPlan,
  judge,
  warmUp,
  type Row,
  type Scene,
} from './scene.ts'

const DRAIN_MS = 300_000

/** Requests are accepted, durable in Redis; nobody decides them. */
export async function accept(scene: Scene): ReturnType<Row> {
  const { act } = scene
  const server = await act.functions()
  const before = await warmUp(scene, server, 'answer')
  const bytes = await redisBytes(act.stage.redis)
  const clock = act.clock()
  const report = await closedLoop(scene, server, distinctPlan(scene), 'answer')
  const count = answered(report, 'accepted')
  const cpuUs = clock.each(count)
  const redisBytesEach = ((await redisBytes(act.stage.redis)) - bytes) / Math.max(1, count)
  const wrong = count === report.sent ? [] : [`${report.sent - count} were not accepted`]
  // Warmed up on random seats, each request with a key of its own.
  const found = await entriesOnStreams(act.stage.redis, act.stage.knex)
  if (found.length !== before + count) wrong.push(`${found.length} entries of ${before + count} requests`)
  const ids = new Set(found)
  const lost = (await readWholeHistory(act.historyFile)).filter(({ requestId }) => !ids.has(requestId)).length
  if (lost > 0) wrong.push(`${lost} accepted requests are on no stream`)
  return {
    ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
    figures: { rssMb: act.rssMb('server'), lost, redisBytesEach },
  }
}

/** Full streams, decided and committed. */
export const drain: Row = async (scene) => {
  const { act } = scene
  let consumer: Served | undefined
  const measured = await drained(scene, async () => {
    consumer = await act.consumer({}, { ready: false })
  })
  const transactions = consumer && (await transactionFigures(consumer.port))
  return { ...measured, figures: { ...measured.figures, ...transactions } }
}

/** The same streams, drained by code that promises nothing. It sees to the seats all the same. */
export const plainDrain: Row = (scene) =>
  drained(scene, () => scene.act.announced('consumer', 'bench-plain-drain', []), { ordered: false })

/** What a consumer has in hand at most: of each of four shards a batch that commits and one that is decided. */
const IN_HAND = 4_000

/**
 * In front lie as many requests as let the consumer compile what it runs. The clock runs while it has its hands full: from
 * when those are decided, until what is left is in its hands and no more to be read.
 *
 * @param start begins to drain
 */
async function drained(
  scene: Scene,
  start: () => Promise<unknown>,
  { ordered = true } = {},
): ReturnType<Row> {
  const { act, size } = scene
  const { redis, knex } = act.stage
  const bytes = await redisBytes(redis)
  const server = await act.functions()
  const plan = distinctPlan(scene)
  const before = await decided(knex)
  const inFront = await warmUp(scene, server, 'answer')
  const report = await act.load({
    ...{ ports: [server.port], plan, until: 'answer', connections: CONNECTIONS.answer },
    ...{
      pace: { kind: 'closed', customers: CONNECTIONS.answer },
      count: size.drain,
      historyFile: act.historyFile,
    },
  })
  const total = inFront + answered(report, 'accepted')
  await start()
  const deadline = performance.now() + DRAIN_MS
  const until = async (enough: number): Promise<number> => {
    for (;;) {
      const found = (await decided(knex)) - before
      if (found >= enough) return found
      if (performance.now() > deadline) throw new Error(`${found} of ${total} were decided in time`)
      await delay(20)
    }
  }
  const first = await until(inFront)
  const [clock, started] = [act.clock(), performance.now()]
  const last = await until(total - Math.min(IN_HAND, Math.floor(size.drain / 10)))
  const seconds = (performance.now() - started) / 1_000
  const count = last - first
  const cpuUs = clock.each(count)
  await until(total)
  await untilSettled(redis, knex)
  const { wrong, lost } = await judge(scene, plan, { ordered })
  const figures = {
    ...{ rssMb: act.rssMb('consumer'), lost },
    redisBytesEach: ((await redisBytes(redis)) - bytes) / total,
    outcomeBytes: await outcomeBytes(redis),
  }
  return { count, seconds, cpuUs, figures, wrong }
}
