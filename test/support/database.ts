import { randomBytes } from 'node:crypto'
import type { Knex } from 'knex'
import { inject } from 'vitest'
import { migrateLatest } from '../../migrations/migrate.ts'
import type { MysqlConfig } from '../../shared/config.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'

export interface TemporaryDatabase {
  readonly knex: Knex
  readonly config: MysqlConfig
  readonly url: string
  drop(): Promise<void>
}

/** A database of its own for a test file, with today's tables; `migrated: false` leaves it empty. */
export async function temporaryDatabase({ migrated = true } = {}): Promise<TemporaryDatabase> {
  const name = `frontrow_test_${randomBytes(6).toString('hex')}`
  const admin = connectMysql({ url: inject('databaseUrl'), tlsCaFile: undefined }, 'read', 1)
  await admin.raw('CREATE DATABASE ??', [name])
  const url = new URL(inject('databaseUrl'))
  url.pathname = `/${name}`
  const config = { url: url.href, tlsCaFile: undefined }
  const knex = connectMysql(config, 'read', 10)
  if (migrated) await migrateLatest(knex)
  return {
    knex,
    config,
    url: url.href,
    drop: async () => {
      await knex.destroy()
      await admin.raw('DROP DATABASE ??', [name])
      await admin.destroy()
    },
  }
}
