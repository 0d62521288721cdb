import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { databaseConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { connectForMigrations, listMigrations, migrateLatest, migrateRollback, unlock } from './migrate.ts'

/** `npm run migrate -- COMMAND`, and what an image's migration job runs. Exit codes: 0 well, 1 failed, 2 used wrongly. */
const usage = `Usage: npm run migrate -- latest | rollback [--all] | status | unlock | make NAME

  latest     brings the tables up to date
  rollback   takes the last batch of migrations back (--all: every one)
  status     says which migrations have run
  unlock     releases the lock of a migration that was killed; only if none is running
  make NAME  creates an empty migration; add it to the list in migrations/migrate.ts`

type Work = (knex: Knex) => Promise<string>

function databaseWork([command, ...rest]: readonly string[]): Work | undefined {
  if (command === 'rollback' && rest.every((word) => word === '--all')) {
    return async (knex) =>
      ranSentence(await migrateRollback(knex, { all: rest.length > 0 }), 'taken back', 'Already at the start')
  }
  if (rest.length > 0) return undefined
  switch (command) {
    case 'latest':
      return async (knex) => ranSentence(await migrateLatest(knex), 'ran', 'Already up to date')
    case 'status':
      return async (knex) => statusSentence(await listMigrations(knex))
    case 'unlock':
      return async (knex) => {
        await unlock(knex)
        return 'Migrations may run again'
      }
    default:
      return undefined
  }
}

function ranSentence(names: readonly string[], verb: string, nothing: string): string {
  return names.length === 0 ? nothing : [`${names.length} migrations ${verb}:`, ...names].join('\n  ')
}

function statusSentence({ completed, pending }: Awaited<ReturnType<typeof listMigrations>>): string {
  const list = (title: string, names: readonly string[]): string =>
    names.length === 0 ? `No ${title} migrations` : [`${names.length} ${title}:`, ...names].join('\n  ')
  return [list('Completed', completed), list('Pending', pending)].join('\n')
}

/** A new file from the stub, in a checkout. */
function make(name: string): string {
  const directory = join(import.meta.dirname, '..', 'migrations')
  const stub = join(directory, 'migration.stub')
  if (!existsSync(stub)) throw new FrontrowError('CONFIG_INVALID', 'make needs a checkout')
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
  const file = `${stamp}_${name}.ts`
  copyFileSync(stub, join(directory, file))
  return `Created migrations/${file}; add it to the list in migrations/migrate.ts`
}

async function onDatabase(work: Work): Promise<string> {
  const knex = connectForMigrations(databaseConfig(process.env))
  try {
    await knex.raw('SELECT 1').catch((error: unknown) => {
      const { code, message } = error as { code?: unknown; message?: unknown }
      const why = String(message === '' ? code : message)
      throw new FrontrowError('CONFIG_INVALID', `the database at DATABASE_URL cannot be used: ${why}`)
    })
    return await work(knex)
  } finally {
    await knex.destroy()
  }
}

async function main(words: readonly string[]): Promise<number> {
  const [command, name = '', ...more] = words
  const makes = command === 'make' && more.length === 0 && /^[a-z][a-z0-9_]*$/.test(name)
  const work = databaseWork(words)
  if (!makes && work === undefined) {
    console.error(usage)
    return 2
  }
  try {
    console.log(work === undefined ? make(name) : await onDatabase(work))
    return 0
  } catch (error) {
    console.error(`migrate: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
