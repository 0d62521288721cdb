import type { Knex } from 'knex'
import {
  advanceIfOurs,
  deleteSeats,
  holdVersions,
  insertDecisions,
  insertSeats,
  ROWS_PER_STATEMENT,
  staleOf,
  type Statement,
  type VersionRow,
  type Writing,
} from './commit-statements.ts'
import type { Batch } from './decide-batch.ts'
import { run } from './run-statement.ts'

/** Rolls back what cannot be committed as it is. */
class NotAsItShouldBe extends Error {}

/** Whether a batch can be written all at once: it has something to decide, and no more than one statement's rows. */
export function isPlain(batch: Batch): boolean {
  const { decided, freed, taken, deadLetters, versions } = batch
  return (
    decided.length > 0 &&
    versions.length > 0 &&
    deadLetters.length === 0 &&
    Math.max(decided.length, freed.length, taken.length) <= ROWS_PER_STATEMENT
  )
}

/**
 * Writes a whole batch in one round trip between BEGIN and COMMIT. A round trip costs both sides more than twenty rows
 * do, and small batches are what a consumer has unless it is far behind. All checks are those of the step-by-step way, and
 * are looked at before COMMIT is sent.
 *
 * @param onCommit called before COMMIT is sent: if it throws from then on, nobody knows whether it was carried out
 * @returns false: something was not as it should be, and nothing is written
 * @throws the driver's error; nothing is written, unless `onCommit` was called
 */
export async function commitAtOnce(
  batch: Batch,
  { knex, ...writing }: Writing & { readonly knex: Knex },
  onCommit: () => void,
): Promise<boolean> {
  const statements = [
    advanceIfOurs(batch.stakes, writing.shardKey),
    holdVersions(batch.versions),
    ...insertDecisions(batch.decided, writing),
    ...deleteSeats(batch.freed),
    ...insertSeats(batch.taken),
  ]
  try {
    await knex.transaction(async (trx) => {
      const [results] = (await run(trx, joined(statements))) as [readonly unknown[]]
      const [advanced, versions] = results as [Counted, readonly VersionRow[]]
      const deleted = batch.freed.length === 0 ? 0 : (results[3] as Counted).affectedRows
      const isOurs = advanced.affectedRows === batch.stakes.size
      const isCurrent = staleOf(batch.versions, versions).length === 0
      if (!isOurs || !isCurrent || deleted !== batch.freed.length) throw new NotAsItShouldBe()
      onCommit()
    })
    return true
  } catch (error) {
    if (error instanceof NotAsItShouldBe) return false
    throw error
  }
}

interface Counted {
  readonly affectedRows: number
}

function joined(statements: readonly Statement[]): Statement {
  return {
    sql: statements.map(({ sql }) => sql).join(';\n'),
    bindings: statements.flatMap(({ bindings }) => [...bindings]),
  }
}
