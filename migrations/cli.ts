import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { databaseConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { connectMysql } from '../shared/mysql/connect.ts'

/** `npm run migrate -- COMMAND`: the knex CLI with our configuration. Runs as dist/migrate.js. */
const root = join(import.meta.dirname, '..')

const usage = `Usage: npm run migrate -- latest | rollback [--all] | status | unlock | make NAME

  latest     brings the tables up to date
  rollback   takes the last batch of migrations back (--all: every one)
  status     says which migrations have run
  unlock     releases the lock of a migration that was killed; only if none is running
  make NAME  creates an empty migration; add it to the list in migrations/migrate.ts`

function knexArguments([command, ...rest]: readonly string[]): string[] | undefined {
  switch (command) {
    case 'latest':
    case 'status':
    case 'unlock':
      return rest.length === 0 ? [`migrate:${command}`] : undefined
    case 'rollback':
      return rest.every((word) => word === '--all') ? ['migrate:rollback', ...rest] : undefined
    case 'make': {
      const [name = ''] = rest
      if (rest.length !== 1 || !/^[a-z][a-z0-9_]*$/.test(name)) return undefined
      const directory = join(root, 'migrations')
      const stub = join(directory, 'migration.stub')
      return ['migrate:make', name, '-x', 'ts', '--migrations-directory', directory, '--stub', stub]
    }
    default:
      return undefined
  }
}

/** One sentence where the database cannot be used; the knex CLI would print a stack. */
async function whyUnusable(): Promise<string | undefined> {
  try {
    const knex = connectMysql(databaseConfig(process.env), 'read', 1)
    try {
      await knex.raw('SELECT 1')
    } finally {
      await knex.destroy()
    }
    return undefined
  } catch (error) {
    if (error instanceof FrontrowError) return error.message
    const { code, message } = error as { code?: unknown; message?: unknown }
    return `the database at DATABASE_URL cannot be used: ${String(message === '' ? code : message)}`
  }
}

async function main(): Promise<number> {
  const words = process.argv.slice(2)
  const wanted = knexArguments(words)
  if (wanted === undefined) {
    console.error(usage)
    return 2
  }
  const needsDatabase = words[0] !== 'make'
  const complaint = needsDatabase ? await whyUnusable() : undefined
  if (complaint !== undefined) {
    console.error(`migrate: ${complaint}`)
    return 1
  }
  const cli = join(root, 'node_modules', 'knex', 'bin', 'cli.js')
  const settings = needsDatabase ? ['--knexfile', join(root, 'dist', 'knexfile.js')] : ['--client', 'mysql2']
  const { status } = spawnSync(process.execPath, [cli, ...settings, ...wanted], {
    stdio: 'inherit',
    cwd: root,
  })
  return status ?? 1
}

process.exitCode = await main()
