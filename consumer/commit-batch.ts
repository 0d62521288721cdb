import type { Knex } from 'knex'
import { classifyMysqlError, type MysqlFailure } from '../shared/mysql/errors.ts'
import { lockPartitions } from './claim-partitions.ts'
import { commitAtOnce, isPlain } from './commit-at-once.ts'
import {
  advanceSequences,
  deleteSeats,
  holdVersions,
  insertDeadLetters,
  insertDecisions,
  insertSeats,
  staleOf,
  type Statement,
  type VersionRow,
  type Writing,
} from './commit-statements.ts'
import type { Batch, PerformanceVersion, SeatRow } from './decide-batch.ts'
import { run } from './run-statement.ts'

/** The statement at which a transaction failed; for a duplicate key it tells which key. */
type CommitStep =
  | 'at-once'
  | 'begin'
  | 'epochs'
  | 'versions'
  | 'sequences'
  | 'decisions'
  | 'free-seats'
  | 'take-seats'
  | 'dead-letters'
  | 'commit'

/** What came of a batch's transaction. Only `committed` changed anything, for certain. */
export type CommitResult =
  | { readonly kind: 'committed'; readonly refused: ReadonlySet<number> }
  /** Every partition of the batch has a newer epoch: somebody else owns them. */
  | { readonly kind: 'refused'; readonly refused: ReadonlySet<number> }
  /** The catalogue changed since these performances were loaded. */
  | { readonly kind: 'stale'; readonly performances: readonly string[] }
  /** Memory does not agree with the database: a seat that was free is taken, or the other way round. */
  | { readonly kind: 'wrong-memory'; readonly step: CommitStep }
  /** At least one command of the batch was decided before. */
  | { readonly kind: 'repeated' }
  /** Rolled back, or (at step `commit`) unknown. */
  | {
      readonly kind: 'failed'
      readonly step: CommitStep
      readonly failure: MysqlFailure
      readonly cause: unknown
    }

interface CommitContext extends Writing {
  /** Of the role `commit`. */
  readonly knex: Knex
}

/** Rolls the transaction back with a result that is no error of the database. */
class Abort extends Error {
  readonly result: CommitResult
  constructor(result: CommitResult) {
    super(result.kind)
    this.result = result
  }
}

/**
 * Commits a batch in one transaction, for those of its partitions whose epoch is still ours.
 *
 * First all at once (`commit-at-once.ts`), which commits only if everything is as it should be. If anything is not, it
 * was rolled back, and the batch is written step by step: that tells what it was, and is what counts.
 *
 * READ COMMITTED; locks in primary-key order: partitions, performances (shared), then the rows themselves.
 * Whoever claims a partition waits for its row, so an owner's batch either commits before the claim or not at all.
 */
export async function commitBatch(batch: Batch, context: CommitContext): Promise<CommitResult> {
  return (await tryAtOnce(batch, context)) ?? commitStepByStep(batch, context)
}

async function tryAtOnce(batch: Batch, context: CommitContext): Promise<CommitResult | undefined> {
  if (!isPlain(batch)) return undefined
  // An object, because the compiler takes a variable that a callback sets for unchanged.
  const at: { step: CommitStep } = { step: 'at-once' }
  try {
    const committed = await commitAtOnce(batch, context, () => (at.step = 'commit'))
    return committed ? { kind: 'committed', refused: new Set() } : undefined
  } catch (error) {
    const result = failureOf(at.step, error)
    // Whether a lost COMMIT was carried out, and when a deadlock is over, is no question for a second writing.
    const isFinal = result.kind === 'failed' && (at.step === 'commit' || result.failure === 'retry')
    return isFinal ? result : undefined
  }
}

async function commitStepByStep(batch: Batch, context: CommitContext): Promise<CommitResult> {
  let step: CommitStep = 'begin'
  try {
    const refused = await context.knex.transaction(async (trx) => {
      const at = (next: CommitStep): Knex.Transaction => {
        step = next
        return trx
      }
      const refused = await checkEpochs(at('epochs'), batch, context)
      const kept = refused.size === 0 ? batch : withoutPartitions(batch, refused)
      await checkVersions(at('versions'), kept.versions)
      if (kept.stakes.size > 0) await run(at('sequences'), advanceSequences(kept.stakes, context.shardKey))
      await runAll(at('decisions'), insertDecisions(kept.decided, context))
      await freeSeats(at('free-seats'), kept.freed)
      await runAll(at('take-seats'), insertSeats(kept.taken))
      await runAll(at('dead-letters'), insertDeadLetters(kept.deadLetters, context))
      step = 'commit'
      return refused
    })
    return { kind: 'committed', refused }
  } catch (error) {
    return error instanceof Abort ? error.result : failureOf(step, error)
  }
}

function failureOf(step: CommitStep, cause: unknown): CommitResult {
  const failure = classifyMysqlError(cause)
  if (failure === 'duplicate' && step === 'decisions') return { kind: 'repeated' }
  if (failure === 'duplicate' && step === 'take-seats') return { kind: 'wrong-memory', step }
  return { kind: 'failed', step, failure, cause }
}

/** Locks the partitions' rows until the end of the transaction, and answers which are no longer ours. */
async function checkEpochs(
  trx: Knex.Transaction,
  batch: Batch,
  context: CommitContext,
): Promise<Set<number>> {
  const rows = await lockPartitions(trx, context.shardKey, [...batch.stakes.keys()])
  const stored = new Map(rows.map((row) => [row.number, row]))
  const refused = new Set<number>()
  for (const [number, stake] of batch.stakes) {
    const row = stored.get(number)
    if (row?.epoch !== stake.epoch) refused.add(number)
    else if (row.sequence !== stake.before) throw new Abort({ kind: 'wrong-memory', step: 'sequences' })
  }
  if (batch.stakes.size > 0 && refused.size === batch.stakes.size)
    throw new Abort({ kind: 'refused', refused })
  return refused
}

/** Sections belong to one partition each, so a partition's share of a batch can be cut out cleanly. */
function withoutPartitions(batch: Batch, refused: ReadonlySet<number>): Batch {
  const decided = batch.decided.filter(({ record }) => !refused.has(record.partition))
  const sectionOf = (row: { performanceId: string; sectionId: string }): string =>
    `${row.performanceId}/${row.sectionId}`
  const sections = new Set(decided.map(({ record }) => sectionOf(record)))
  const performances = new Set(decided.map(({ record }) => record.performanceId))
  return {
    ...batch,
    decided,
    deadLetters: batch.deadLetters.filter(({ entry }) => !refused.has(entry.partition)),
    stakes: new Map([...batch.stakes].filter(([number]) => !refused.has(number))),
    versions: batch.versions.filter(({ performanceId }) => performances.has(performanceId)),
    freed: batch.freed.filter((row) => sections.has(sectionOf(row))),
    taken: batch.taken.filter((row) => sections.has(sectionOf(row))),
  }
}

async function checkVersions(trx: Knex.Transaction, versions: readonly PerformanceVersion[]): Promise<void> {
  if (versions.length === 0) return
  const [rows] = (await run(trx, holdVersions(versions))) as [VersionRow[]]
  const stale = staleOf(versions, rows)
  if (stale.length > 0) throw new Abort({ kind: 'stale', performances: stale })
}

async function freeSeats(trx: Knex.Transaction, freed: readonly SeatRow[]): Promise<void> {
  let deleted = 0
  for (const statement of deleteSeats(freed)) {
    const [result] = (await run(trx, statement)) as [{ affectedRows: number }]
    deleted += result.affectedRows
  }
  if (deleted !== freed.length) throw new Abort({ kind: 'wrong-memory', step: 'free-seats' })
}

async function runAll(trx: Knex.Transaction, statements: readonly Statement[]): Promise<void> {
  for (const statement of statements) await run(trx, statement)
}
