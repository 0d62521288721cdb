import type { Knex } from 'knex'
import type { Connection, QueryValues } from 'mysql2'
import type { Statement } from './commit-statements.ts'

/** What a Knex transaction has, and its types do not say. */
interface TransactionClient {
  /** The transaction's own connection. */
  acquireConnection(): Promise<Connection>
  /** Tells those who listen to the pool's queries. */
  emit(event: 'query', statement: Statement): void
}

/**
 * Runs a statement on a transaction's connection by the driver itself; answers the driver's result and the columns. Knex
 * would go through all text and values of a batch three times more, which costs as much as to decide it, and would write
 * them all into the message of an error.
 */
export async function run(trx: Knex.Transaction, { sql, bindings }: Statement): Promise<unknown> {
  const client = trx.client as TransactionClient
  const connection = await client.acquireConnection()
  client.emit('query', { sql, bindings })
  return new Promise((resolve, reject) => {
    connection.query(sql, [...bindings] as QueryValues, (error, result, columns) => {
      if (error === null) resolve([result, columns])
      else reject(error)
    })
  })
}
