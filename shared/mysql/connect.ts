import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import knex, { type Knex } from 'knex'
import type { Connection } from 'mysql2'
import type { MysqlConfig } from '../config.ts'

/**
 * What a pool is for.
 * - `commit`: the consumer's. Its sessions time out quickly, so that a consumer frozen inside a
 *   transaction loses its locks to the server's clean-up within seconds.
 * - `read`: everything else.
 */
export type MysqlRole = 'commit' | 'read'

/** Seconds after which the server ends a silent `commit` session and rolls back what it held. */
const COMMIT_SESSION_TIMEOUT_SECONDS = 5

/** Milliseconds without a byte after which the client gives a connection up (a network that went silent). */
const SOCKET_SILENCE_MS: Record<MysqlRole, number> = { commit: 8_000, read: 5_000 }

/** Milliseconds after which the pool ends a connection that nobody wanted. */
const IDLE_MS: Record<MysqlRole, number> = { commit: 2_000, read: 3_000 }

/**
 * Whatever the server is set to: what does not fit is refused, never cut off, and a backslash escapes, as the driver takes for
 * granted when it writes values into statements.
 */
const SQL_MODE = `sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'`

const sessionSettings: Record<MysqlRole, string> = {
  commit:
    `SET SESSION ${SQL_MODE}, wait_timeout = ${COMMIT_SESSION_TIMEOUT_SECONDS}, net_read_timeout = ${COMMIT_SESSION_TIMEOUT_SECONDS}, ` +
    `net_write_timeout = ${COMMIT_SESSION_TIMEOUT_SECONDS}, innodb_lock_wait_timeout = 3`,
  read: `SET SESSION ${SQL_MODE}, innodb_lock_wait_timeout = 4`,
}

/** What a platform asks of the driver. */
interface DriverOptions {
  /** Reads rows without compiling a reader for each kind: for where code may not be made at run time. */
  readonly disableEval?: true
  /** Leaves the name in a certificate to the platform, which checks it before the driver could, and does not show it. */
  readonly namesAreChecked?: true
}

/**
 * A Knex pool for one role. Connects at first use.
 *
 * @throws if the certificate file of the configuration cannot be read
 */
export function connectMysql(
  config: MysqlConfig,
  role: MysqlRole,
  maxConnections: number,
  driver: DriverOptions = {},
): Knex {
  const pool = knex(knexConfig(config, role, maxConnections, driver))
  guardConnections(pool.client as PoolClient)
  return pool
}

/** What Knex makes connections with; its types do not say. */
interface PoolClient {
  driver: { createConnection(settings: object): Connection & SocketHolder }
}

/**
 * Knex takes all listeners off a connection as soon as the driver has written its goodbye, and off one that the server
 * refused. If the network is gone, that is long before the socket says so, and an error event that nobody listens to ends
 * the process: some listener stays. The driver leaves it to the server to end a connection that was refused: it is ended here.
 */
function guardConnections(client: PoolClient): void {
  const { driver } = client
  client.driver = {
    createConnection(settings) {
      const connection = driver.createConnection(settings)
      connection.once('error', () => {
        connection.stream.destroy()
      })
      const removeAllListeners = connection.removeAllListeners.bind(connection)
      connection.removeAllListeners = (event) => {
        removeAllListeners(event)
        return connection.on('error', silent)
      }
      return connection
    },
  }
}

const silent = (): void => undefined

/** `ssl-mode` of the URL, in capitals; undefined where there is none. */
export function sslModeOf({ url }: Pick<MysqlConfig, 'url'>): string | undefined {
  return new URL(url).searchParams.get('ssl-mode')?.toUpperCase()
}

/** What `connectMysql` hands to Knex. */
export function knexConfig(
  config: MysqlConfig,
  role: MysqlRole,
  maxConnections: number,
  { namesAreChecked, ...driver }: DriverOptions = {},
): Knex.Config {
  const url = new URL(config.url)
  const sslMode = sslModeOf(config)
  const ca = config.tlsCaFile === undefined ? undefined : readFileSync(config.tlsCaFile)
  const tls = sslMode !== undefined && sslMode !== 'DISABLED'
  return {
    client: 'mysql2',
    // Spares a question on the first connection, before anything bounds its answer: all others of the pool wait for that.
    version: 'latest',
    // Every error reaches its caller; Knex would write it to the console besides.
    log: { warn: silent, error: silent, debug: silent, deprecate: silent },
    connection: {
      ...driver,
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? 3306 : Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
      charset: 'utf8mb4',
      timezone: 'Z',
      // A batch's statements leave together. All their values are the driver's to escape, as everywhere.
      multipleStatements: role === 'commit',
      supportBigNumbers: true,
      connectTimeout: 5_000,
      ...(tls
        ? {
            ssl: {
              ...(ca === undefined ? {} : { ca }),
              rejectUnauthorized: sslMode !== 'REQUIRED' && sslMode !== 'PREFERRED',
              verifyIdentity: sslMode === 'VERIFY_IDENTITY' && namesAreChecked !== true,
            },
          }
        : {}),
    },
    pool: {
      min: 0,
      max: maxConnections,
      // The pool ends what is idle, before it is taken for a network that went silent, or the server's wait_timeout ends it.
      idleTimeoutMillis: IDLE_MS[role],
      reapIntervalMillis: 500,
      afterCreate(
        connection: Connection & SocketHolder,
        done: (error: Error | null, connection: Connection) => void,
      ) {
        connection.stream.setTimeout(SOCKET_SILENCE_MS[role], () => {
          connection.stream.destroy(new Error('the connection to MySQL fell silent'))
        })
        connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', (isolationError) => {
          if (isolationError) {
            done(isolationError, connection)
            return
          }
          connection.query(sessionSettings[role], (settingsError) => {
            done(settingsError, connection)
          })
        })
      },
    },
    acquireConnectionTimeout: 10_000,
  }
}

/** mysql2 has the socket, its types do not. */
interface SocketHolder {
  readonly stream: Socket
}
