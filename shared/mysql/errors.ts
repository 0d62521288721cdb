/**
 * Why a statement failed, by the driver's error code. The one place that knows; nobody matches on messages.
 * - `retry`: the statement may succeed if the whole transaction is run again
 * - `duplicate`: a unique key refused it
 * - `data`: this data can never be stored; retrying cannot mend it
 */
export type MysqlFailure = 'retry' | 'duplicate' | 'data'

const DUPLICATE_KEY = 1062

/** Codes whose cause passes. What is in no table counts as `retry` too: a server's trouble must not cost a request. */
const retryableMysqlErrors: Readonly<Record<string, string>> = {
  1213: 'deadlock: this transaction was the victim',
  1205: 'lock wait timed out',
  1020: 'record has changed since last read (MariaDB, under its snapshot checks)',
  4031: 'the server ended an idle session (MySQL)',
  1927: 'connection was killed (MariaDB)',
  1053: 'server shutdown in progress',
  1040: 'too many connections',
  1290: 'the server is read-only, as during a failover',
  1792: 'the transaction is read-only, as during a failover',
  PROTOCOL_CONNECTION_LOST: 'connection lost',
  ECONNRESET: 'connection reset',
  ECONNREFUSED: 'server not there',
  EPIPE: 'connection closed while writing',
  ETIMEDOUT: 'connection attempt timed out',
}

/**
 * SQLSTATE classes that speak of the data: 22 data exception, 23 integrity constraint, 44 check option, 45 raised by a
 * trigger. (SQL:2016 part 2, clause 24.)
 */
const DATA_CLASSES = new Set(['22', '23', '44', '45'])

/** Of the data as well, but MySQL, unlike MariaDB, says so under the general SQLSTATE HY000 only. */
const dataErrors: Readonly<Record<string, string>> = {
  1366: 'a value that its column cannot hold, such as text of another character set',
  3819: 'a check that fails',
}

interface DriverError {
  readonly errno?: unknown
  readonly code?: unknown
  readonly sqlState?: unknown
}

/** A lost connection may come without any code (mysql2 reports a socket's own error as it is): it is `retry`. */
export function classifyMysqlError(error: unknown): MysqlFailure {
  // Not the database's doing but a fault in building the statement, which no retry mends.
  if (error instanceof TypeError || error instanceof RangeError) return 'data'
  const { errno, code, sqlState } = error as DriverError
  if (errno === DUPLICATE_KEY) return 'duplicate'
  if (String(errno) in retryableMysqlErrors || String(code) in retryableMysqlErrors) return 'retry'
  if (String(errno) in dataErrors) return 'data'
  return typeof sqlState === 'string' && DATA_CLASSES.has(sqlState.slice(0, 2)) ? 'data' : 'retry'
}
