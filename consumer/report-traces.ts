import type { Log } from '../shared/log.ts'
import type { Batch } from './decide-batch.ts'
import { sampledTraceOf } from './parse-entry.ts'

/**
 * Says what became of each committed command whose client asked for its trace to be recorded, under the trace's id: the
 * line on the consumer's side that a log store joins with the function's. Others cost one look at their entry.
 */
export function reportTraces(
  batch: Batch,
  refused: ReadonlySet<number>,
  decidedAtMs: number,
  log: Log,
): void {
  for (const { entry, record } of batch.decided) {
    const traceId = refused.has(entry.partition) ? undefined : sampledTraceOf(entry)
    if (traceId === undefined) continue
    const { requestId, command, status, requestedAtUs } = record
    const ms = Math.round(decidedAtMs - requestedAtUs / 1_000)
    log.info({ traceId, requestId, command, status, ms }, 'traced command decided')
  }
}
