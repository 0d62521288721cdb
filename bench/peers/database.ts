import {
  createPool,
  type Pool,
  type PoolConnection,
  type PoolOptions,
  type RowDataPacket,
} from 'mysql2/promise'
import { knexConfig } from '../../shared/mysql/connect.ts'

/** A seat that is taken, and by which request. */
export interface Holder {
  readonly seatId: string
  readonly requestId: string
}

/** A pool whose connections take several statements in one round trip. Callers queue for a connection. */
export function connectPool(url: string, connections: number): Pool {
  // As the product connects, TLS included.
  const { connection } = knexConfig({ url, tlsCaFile: undefined }, 'commit', connections)
  const pool = createPool({
    ...(connection as PoolOptions),
    multipleStatements: true,
    connectionLimit: connections,
    maxIdle: connections,
  })
  pool.on('connection', (connection) => {
    // As the product has it. Sent before whatever the connection was opened for.
    void connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  })
  return pool
}

export type Database = Pool | PoolConnection

/** The row lists of the SELECTs among the statements of one round trip. */
export async function readLists(
  database: Database,
  sql: string,
  values: readonly unknown[],
): Promise<readonly RowDataPacket[][]> {
  const [results] = await database.query<RowDataPacket[][]>(sql, [...values])
  return results.filter((result) => Array.isArray(result))
}

/** One connection for as long as `work` takes; a connection that failed in an unknown state is not used again. */
export async function withConnection<T>(
  pool: Pool,
  work: (connection: PoolConnection) => Promise<T>,
): Promise<T> {
  const connection = await pool.getConnection()
  try {
    const result = await work(connection)
    connection.release()
    return result
  } catch (error) {
    connection.destroy()
    throw error
  }
}
