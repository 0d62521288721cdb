import type { Knex } from 'knex'
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
export const migrationSource: Knex.MigrationSource<Migration> = {
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

/** Takes the last batch of migrations back. @returns their names */
export async function migrateRollback(knex: Knex): Promise<string[]> {
  const [, names] = (await knex.migrate.rollback(config)) as [number, string[]]
  return names
}
