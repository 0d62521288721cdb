import { errorFields, type Log } from '../shared/log.ts'
import type { CommitResult } from './commit-batch.ts'
import type { Batch } from './decide-batch.ts'
import type { ConsumerMetrics } from './metrics.ts'

/** Where a shard's loop counts and logs what it did. */
export interface Reporting {
  readonly shard: number
  readonly log: Log
  readonly metrics: ConsumerMetrics
}

export function reportCommitted(
  batch: Batch,
  refused: ReadonlySet<number>,
  { shard, log, metrics }: Reporting,
): void {
  for (const [status, commands] of countDecisions(batch, refused)) {
    for (const [command, count] of commands) metrics.decisions.inc({ command, status }, count)
  }
  for (const { command, stored } of batch.repeats) {
    const conflict =
      stored.customerId !== command.customerId ||
      (command.kind === 'book' && stored.fingerprint !== command.fingerprint)
    metrics.repeats.inc({ kind: conflict ? 'conflict' : 'repeat' })
    log.info({ shard, requestId: command.requestId, command: command.kind, conflict }, 'decided before')
  }
  metrics.repeats.inc({ kind: 'echo' }, batch.echoes.length)
  metrics.strays.inc(batch.strays.length)
  metrics.deadLetters.inc(batch.deadLetters.length)
  for (const letter of batch.deadLetters) {
    log.warn(
      { shard, requestId: letter.requestId, entryId: letter.entry.id, reason: letter.reason },
      'dead letter',
    )
  }
  if (log.isLevelEnabled('debug')) {
    log.debug({ shard, requestIds: batch.decided.map(({ record }) => record.requestId) }, 'batch committed')
  }
}

/** By status and command. Counted here first, because to find a metric by its labels costs as much as a decision. */
function countDecisions(batch: Batch, refused: ReadonlySet<number>): Map<string, Map<string, number>> {
  const counts = new Map<string, Map<string, number>>()
  for (const { record } of batch.decided) {
    if (refused.has(record.partition)) continue
    const status = record.status ?? 'UNCHANGED'
    let commands = counts.get(status)
    if (commands === undefined) counts.set(status, (commands = new Map<string, number>()))
    commands.set(record.command, (commands.get(record.command) ?? 0) + 1)
  }
  return counts
}

export function reportNotCommitted(result: CommitResult, { shard, log, metrics }: Reporting): void {
  if (result.kind === 'failed') {
    metrics.commitFailures.inc({ step: result.step, failure: result.failure })
    log.warn({ shard, step: result.step, ...errorFields(result.cause) }, 'commit failed')
  }
  if (result.kind === 'wrong-memory') {
    metrics.wrongMemory.inc({ step: result.step })
    log.error({ shard, step: result.step }, 'memory and database disagree')
  }
  if (result.kind === 'refused' || result.kind === 'committed') {
    metrics.refused.inc(result.refused.size)
    log.warn({ shard, partitions: [...result.refused] }, 'commit refused: the epoch is no longer ours')
  }
}
