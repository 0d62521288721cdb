import { setTimeout as delay } from 'node:timers/promises'
import { ask, cancel, type Asking, type End } from './customer.ts'
import { readHistory } from './history.ts'
import type { Job, LoadReport, Pace } from './job.ts'
import { Lines } from './lines.ts'
import { RequestTexts } from './request-texts.ts'
import { Tally } from './tally.ts'

const UNSENT: End = { told: 'unsent', requestId: '', status: 0 }

/** @throws if the server cannot be reached at the start */
export async function runJob(job: Job): Promise<LoadReport> {
  const { plan, tokens, until, pace } = job
  const statusIds = plan.kind === 'status' ? await readIds(plan.historyFile) : []
  const texts = new RequestTexts(plan, tokens, until === 'waited', statusIds)
  const lines = await Lines.open(job.ports, job.connections)
  const asking = { lines, texts, until, books: plan.kind === 'book', asksStatus: plan.kind === 'status' }
  const opening = pace.kind === 'open' ? pace.openingMs : undefined
  const tally = new Tally(job.historyFile !== undefined, opening)
  try {
    await (pace.kind === 'closed' ? closedLoop(job, pace, asking, tally) : openLoop(job, pace, asking, tally))
    const report = tally.report(lines.sent)
    if (job.historyFile !== undefined) await tally.history?.write(job.historyFile)
    return report
  } finally {
    lines.close()
  }
}

/** In the order of their requests, so that each id is asked for by the customer whose it is. */
async function readIds(file: string): Promise<string[]> {
  const ids: string[] = []
  for await (const { request, requestId } of readHistory(file)) ids[request] = requestId
  return ids
}

type PaceOf<K extends Pace['kind']> = Extract<Pace, { kind: K }>

async function closedLoop(job: Job, pace: PaceOf<'closed'>, asking: Asking, tally: Tally): Promise<void> {
  const end = job.first + job.count
  const deadline = tally.startedMs + job.seconds * 1_000
  let next = job.first
  const customer = async (): Promise<void> => {
    while (next < end && performance.now() < deadline) {
      const request = next++
      await goThrough(asking, tally, request, performance.now())
    }
  }
  await Promise.all(Array.from({ length: pace.customers }, customer))
}

/** One request, and its cancel where the plan has one. The time is that of the booking alone. */
async function goThrough(asking: Asking, tally: Tally, request: number, sinceMs: number): Promise<void> {
  const end = await ask(asking, request)
  if (end.told !== 'CONFIRMED' || !asking.texts.wantsCancel(request)) {
    tally.end(request, end, sinceMs)
    return
  }
  const told = await cancel(asking, request, end.requestId)
  tally.end(request, { ...end, told }, sinceMs)
}

/** Arrivals at even distances. What is due by now is sent in one go, each with its own time. */
async function openLoop(job: Job, pace: PaceOf<'open'>, asking: Asking, tally: Tally): Promise<void> {
  const { lines } = asking
  const distanceMs = 1_000 / pace.perSecond
  const count = Math.min(job.count, Math.round(pace.perSecond * job.seconds))
  const dueMs = (arrival: number): number => tally.startedMs + arrival * distanceMs
  const underWay = new Set<Promise<void>>()
  /** Arrivals from `served` on have not been sent yet; those before `arrived` are waiting for a connection. */
  let served = 0
  const serve = (): void => {
    const now = performance.now()
    for (; served < count && dueMs(served) <= now; served++) {
      const request = job.first + served
      const due = dueMs(served)
      if (now - due > pace.patienceMs) {
        tally.end(request, UNSENT, due)
        continue
      }
      if (!lines.hasIdle) return
      const going = goThrough(asking, tally, request, due).finally(() => {
        underWay.delete(going)
        setImmediate(serve)
      })
      underWay.add(going)
    }
  }
  while (served < count) {
    serve()
    await delay(1)
  }
  await Promise.all(underWay)
}
