import { accept, drain } from './accept-and-drain.ts'
import { flashCrowd, latencyAt } from './arrivals.ts'
import { seatMap, status } from './reads.ts'
import { distinctPlan, hotPlan, hotRequests, mixedPlan, requests, type Row } from './scene.ts'
import { whole } from './whole-way.ts'

export const ourRows: Readonly<Record<string, Row>> = {
  'ours/accept': accept,
  'ours/drain': drain,
  'ours/whole-polling': whole('polled', distinctPlan, requests),
  'ours/whole-wait': whole('waited', distinctPlan, requests),
  'ours/hot-polling': whole('polled', hotPlan, hotRequests),
  'ours/hot-wait': whole('waited', hotPlan, hotRequests),
  'ours/hot-at-once': whole('polled', hotPlan, hotRequests, { TAKEN_SEATS_TTL_MS: '10000' }),
  'ours/status': status,
  'ours/seat-map': seatMap(false),
  'ours/seat-map-unchanged': seatMap(true),
  'ours/mixed': whole('waited', mixedPlan, requests),
  'ours/flash-crowd': flashCrowd,
  'ours/latency-quarter': latencyAt(0.25),
  'ours/latency-half': latencyAt(0.5),
  'ours/latency-three-quarters': latencyAt(0.75),
}
