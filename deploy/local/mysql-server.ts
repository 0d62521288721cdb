import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { createConnection } from 'mysql2/promise'
import { findBinary, isAtLeast, versionOf } from './find-binary.ts'
import { PrivateServer, tellingLine } from './private-server.ts'
import type { ServerOptions } from './redis-server.ts'
import { secretFile } from './secret-file.ts'
import { SetupError } from './setup-error.ts'

interface Flavour {
  readonly binary: string
  readonly kind: 'MySQL' | 'MariaDB'
  readonly version: string
}

export const DATABASE = 'frontrow'
const DATABASE_USER = 'frontrow'

const FLOOR = { MySQL: [8, 4], MariaDB: [10, 11] }

export function findMysql(path = process.env['PATH']): string | undefined {
  return findBinary(['mysqld', 'mariadbd'], path)
}

/** @throws SetupError if it is not there, too old, or does not start */
export async function startMysql(options: ServerOptions): Promise<PrivateServer> {
  const { dir, extraArgs = [], environment = {} } = options
  const flavour = await checkedBinary(options.path)
  const password = secretFile(join(dir, 'password'))
  const data = join(dir, flavour.kind.toLowerCase())
  if (!existsSync(data)) await initialise(flavour, data)
  const initFile = join(dir, 'init.sql')
  writeFileSync(initFile, initSql(password), { mode: 0o600 })
  return PrivateServer.begin(
    {
      name: `${flavour.kind} ${flavour.version}`,
      dir,
      workingDir: data,
      command: flavour.binary,
      environment,
      args: (port) => [...serverArgs(flavour, data, initFile), `--port=${port}`, ...extraArgs],
      url: (port) => `mysql://${DATABASE_USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
      answers: (port) => answers(port, password),
      readyTimeoutMs: 90_000,
      stopGraceMs: 20_000,
    },
    options.port,
  )
}

async function checkedBinary(path: string | undefined): Promise<Flavour> {
  const binary = findMysql(path)
  if (binary === undefined) throw new SetupError('There is no mysqld or mariadbd on this machine.')
  const text = (await versionOf(binary, ['--no-defaults', '--version'])) ?? ''
  const version = /Ver (\d+\.\d+\.\d+)/.exec(text)?.[1]
  if (version === undefined) throw new SetupError(`${binary} does not run.`)
  const kind = text.includes('MariaDB') ? 'MariaDB' : 'MySQL'
  if (isAtLeast(version, FLOOR[kind])) return { binary, kind, version }
  throw new SetupError(`${binary} is ${kind} ${version}; Frontrow needs ${FLOOR[kind].join('.')} or newer.`)
}

/** mysqld refuses to run as root unless told so. */
const asRoot = (): string[] => (process.getuid?.() === 0 ? ['--user=root'] : [])

/** Makes an empty data folder. In a draft that is renamed, so that an interruption leaves no half-made one. */
async function initialise(flavour: Flavour, data: string): Promise<void> {
  const draft = `${data}.draft`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  const [command, args] =
    flavour.kind === 'MariaDB'
      ? mariadbInstaller(flavour.binary)
      : [flavour.binary, ['--initialize-insecure']]
  const result = await execa(command, ['--no-defaults', '--datadir=./', ...asRoot(), ...args], {
    // mariadb-install-db is a shell script, and stumbles over a space in the folder's path.
    cwd: draft,
    reject: false,
    stdin: 'ignore',
    all: true,
    timeout: 120_000,
  })
  if (result.failed) {
    throw new SetupError(`${command} could not make a data folder: ${tellingLine(result.all)}`)
  }
  renameSync(draft, data)
}

/** The root account it makes can be used over the socket in the data folder only. */
function mariadbInstaller(binary: string): [string, string[]] {
  const folders = [dirname(binary), process.env['PATH'] ?? '', '/usr/bin'].join(':')
  const installer = findBinary(['mariadb-install-db', 'mysql_install_db'], folders)
  if (installer === undefined)
    throw new SetupError(`${binary} is there, but mariadb-install-db, which belongs to it, is not.`)
  return [installer, ['--skip-test-db', '--auth-root-authentication-method=socket']]
}

/** Run at each start, before the server listens: the account always has the password of our file. */
function initSql(password: string): string {
  return [
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4;`,
    `CREATE USER IF NOT EXISTS '${DATABASE_USER}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `ALTER USER '${DATABASE_USER}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `GRANT ALL ON *.* TO '${DATABASE_USER}'@'127.0.0.1' WITH GRANT OPTION;`,
    '',
  ].join('\n')
}

/** `--loose-` marks what only one of the two servers knows. */
function serverArgs(flavour: Flavour, data: string, initFile: string): string[] {
  return [
    '--no-defaults',
    ...asRoot(),
    `--datadir=${data}`,
    `--init-file=${initFile}`,
    '--bind-address=127.0.0.1',
    // Relative to the data folder: the path of a socket must stay under about a hundred characters.
    '--socket=mysql.sock',
    '--pid-file=mysql.pid',
    '--skip-name-resolve',
    '--loose-mysqlx=OFF',
    '--character-set-server=utf8mb4',
    '--max-connections=400',
    // A commit is on disk before it is answered. Without a binary log there is nothing else to sync.
    '--innodb-flush-log-at-trx-commit=1',
    '--skip-log-bin',
    '--innodb-buffer-pool-size=256M',
    // Each server has its own word for it. In the usual 100 MB, pages are written in haste after some 60,000 bookings.
    '--loose-innodb-log-file-size=512M',
    '--loose-innodb-redo-log-capacity=512M',
    '--loose-performance-schema=OFF',
    // Packaged servers name a folder here that does not exist.
    ...(flavour.kind === 'MySQL' ? ['--secure-file-priv=NULL'] : []),
  ]
}

async function answers(port: number, password: string): Promise<boolean> {
  try {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: DATABASE_USER,
      password,
      database: DATABASE,
      connectTimeout: 2_000,
    })
    await connection.end()
    return true
  } catch {
    return false
  }
}
