import type { Knex } from 'knex'
import { databaseConfig } from '../shared/config.ts'
import { knexConfig } from '../shared/mysql/connect.ts'
import { migrationSource } from './migrate.ts'

/**
 * For the knex CLI, which `npm run migrate` calls: the same connection as everywhere else, and the same list of
 * migrations as the bundles carry. (`make` alone needs a directory; cli.ts names it there.)
 */
const config: Knex.Config = {
  ...knexConfig(databaseConfig(process.env), 'read', 1),
  log: {},
  // Not the pool of `connectMysql`, which takes a server that is silent for seconds for a lost one: altering
  // a large table takes longer.
  pool: { min: 0, max: 1 },
  migrations: { migrationSource },
}

export default config
