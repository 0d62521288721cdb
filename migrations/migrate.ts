import knexOf, { type Knex } from 'knex'
import type { MysqlConfig } from '../shared/config.ts'
import { knexConfig } from '../shared/mysql/connect.ts'
import * as catalogue from './20261123000001_catalogue.ts'
import * as decisions from './20261123000002_decisions.ts'
import * as partitions from './20261123000003_partitions.ts'

interface Migration {
  readonly name: string
  readonly steps: { up(knex: Knex): Promise<void>; down(knex: Knex): Promise<void> }
}

/** Every migration, oldest first, under the name that the knex CLI gives it. A new file is added here too; a test checks. */
export const migrations: readonly Migration[] = [
  { name: '20261123000001_catalogue.ts', steps: catalogue },
  { name: '20261123000002_decisions.ts', steps: decisions },
  { name: '20261123000003_partitions.ts', steps: partitions },
]

/** The migrations as imports instead of files, so that a bundle carries them. */
const migrationSource: Knex.MigrationSource<Migration> = {
  getMigrations: () => Promise.resolve([...migrations]),
  getMigrationName: ({ name }) => name,
  getMigration: ({ steps }) => Promise.resolve(steps),
}

const config: Knex.MigratorConfig = { migrationSource }

/** Brings the tables up to date. @returns the names of the migrations that ran */
export async function migrateLatest(knex: Knex): Promise<string[]> {
  const [, names] = (await knex.migrate.latest(config)) as [number, string[]]
  return names
}

/** Takes the last batch of migrations back, or all of them. @returns their names */
export async function migrateRollback(knex: Knex, { all = false } = {}): Promise<string[]> {
  const [, names] = (await knex.migrate.rollback(config, all)) as [number, string[]]
  return names
}

/** Names of the migrations that have run here and of those that have not, oldest first. */
export async function listMigrations(
  knex: Knex,
): Promise<{ readonly completed: string[]; readonly pending: string[] }> {
  const [completed, pending] = (await knex.migrate.list(config)) as [{ name: string }[], { name: string }[]]
  return { completed: completed.map(({ name }) => name), pending: pending.map(({ name }) => name) }
}

/** Takes the lock of a migration that was killed. */
export async function unlock(knex: Knex): Promise<void> {
  await knex.migrate.forceFreeMigrationsLock(config)
}

/**
 * One connection. Not from `connectMysql`, whose pool takes a server that is silent for seconds for a lost one: altering
 * a large table takes longer.
 */
export function connectForMigrations(database: MysqlConfig): Knex {
  return knexOf({ ...knexConfig(database, 'read', 1), pool: { min: 0, max: 1 } })
}
