import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BookingPlan } from '../load/plan.ts'
import {
  answered,
  closedLoop,
  distinctPlan,
  hotPlan,
  hotRequests,
  judge,
  requests,
  warmUp,
  type Row,
  type Scene,
} from './scene.ts'

/** Peers, and whether they have a process of workers besides. Those that answer 202 are polled. */
const PEERS: Readonly<Record<string, { readonly workers: boolean; readonly polled: boolean }>> = {
  'unique-key': { workers: false, polled: false },
  'row-locks': { workers: false, polled: false },
  redlock: { workers: false, polled: false },
  bullmq: { workers: true, polled: false },
  'stream-per-message': { workers: true, polled: true },
}

const peer =
  (name: string, planOf: (scene: Scene) => BookingPlan, countOf: (scene: Scene) => number): Row =>
  async (scene) => {
    const { act } = scene
    const { workers = false, polled = false } = PEERS[name] ?? {}
    const until = polled ? 'polled' : 'answer'
    if (workers) await act.announced('consumer', 'bench-peer-worker', [name])
    const server = await act.announced('server', 'bench-peer', [name])
    await warmUp(scene, server, until)
    const plan = planOf(scene)
    const clock = act.clock()
    const report = await closedLoop(scene, server, plan, until, countOf(scene))
    const count = answered(report, 'CONFIRMED', 'REJECTED')
    const cpuUs = clock.each(count)
    const { wrong, lost } = await judge(scene, plan, { ordered: false })
    if (count !== report.sent) wrong.push(`${report.sent - count} did not hear an outcome`)
    return {
      ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
      figures: { lost, confirmed: report.told['CONFIRMED'] ?? 0 },
    }
  }

/** Empty where the peers' bundle is not built. */
export function peerRows(): Readonly<Record<string, Row>> {
  if (!existsSync(join(import.meta.dirname, 'bench-peer.mjs'))) return {}
  return Object.fromEntries(
    Object.keys(PEERS).flatMap((name) => [
      [`peer/${name}`, peer(name, distinctPlan, requests)],
      [`peer/${name}/hot`, peer(name, hotPlan, hotRequests)],
    ]),
  )
}
