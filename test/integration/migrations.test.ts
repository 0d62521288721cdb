import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrateLatest, migrateRollback, migrations } from '../../migrations/migrate.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { runBundle, type Ended } from '../support/run-bundle.ts'

const names = migrations.map(({ name }) => name)
const ours = [
  'booked_seats',
  'dead_letters',
  'decisions',
  'events',
  'partitions',
  'performance_versions',
  'performances',
  'rebalances',
  'seats',
  'sections',
  'topology',
]

let database: TemporaryDatabase

const migrate = (...words: string[]): Promise<Ended> =>
  runBundle('migrate', words, { DATABASE_URL: database.url })

beforeEach(async () => {
  database = await temporaryDatabase({ migrated: false })
})

afterEach(async () => {
  await database.drop()
})

async function tables(): Promise<string[]> {
  const found = await database
    .knex('information_schema.tables')
    .whereRaw('table_schema = DATABASE()')
    // MySQL answers with names of columns in capitals, MariaDB in small letters.
    .select<{ name: string }[]>('table_name as name')
  return found
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('knex_'))
    .sort()
}

/** Every column as the server describes it: what goes down and up again must come back the same. */
async function columns(): Promise<unknown> {
  return database
    .knex('information_schema.columns')
    .whereRaw('table_schema = DATABASE()')
    .andWhereNot('table_name', 'like', 'knex%')
    .orderBy(['table_name', 'ordinal_position'])
    .select('table_name', 'column_name', 'column_type', 'is_nullable', 'collation_name', 'column_key')
}

describe('migrations', () => {
  it('go up, down and up again', async () => {
    expect(await migrateLatest(database.knex)).toEqual(names)
    expect(await tables()).toEqual(ours)
    const before = await columns()
    expect((await migrateRollback(database.knex)).sort()).toEqual(names)
    expect(await tables()).toEqual([])
    expect(await migrateLatest(database.knex)).toEqual(names)
    expect(await columns()).toEqual(before)
    expect(await migrateLatest(database.knex)).toEqual([])
  })

  it('each go down and up by themselves', async () => {
    await migrateLatest(database.knex)
    const before = await columns()
    for (const { name, steps } of [...migrations].reverse()) {
      await steps.down(database.knex)
      expect(await tables(), name).not.toEqual(ours)
    }
    expect(await tables()).toEqual([])
    for (const { steps } of migrations) await steps.up(database.knex)
    expect(await columns()).toEqual(before)
  })

  it('keep every id apart by case, whatever the server’s default', async () => {
    await migrateLatest(database.knex)
    const loose = (await database
      .knex('information_schema.columns')
      .whereRaw('table_schema = DATABASE()')
      .whereIn('table_name', ours)
      .where((id) => {
        void id.where('column_name', 'like', '%\\_id').orWhere('column_name', 'label')
      })
      .whereNot('collation_name', 'ascii_bin')
      .select('table_name', 'column_name')) as unknown[]
    expect(loose).toEqual([])
  })
})

describe('npm run migrate', () => {
  it('shares one history with the programs', async () => {
    const fresh = await migrate('status')
    expect(fresh).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`${names.length} Pending`) as string,
    })
    expect(await migrate('latest')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await tables()).toEqual(ours)
    expect(await migrateLatest(database.knex)).toEqual([])

    expect((await migrateRollback(database.knex)).sort()).toEqual(names)
    expect((await migrate('latest')).stdout).toContain(`${names.length} migrations`)
    expect((await migrate('latest')).stdout).toContain('Already up to date')

    expect(await migrate('rollback')).toMatchObject({ exitCode: 0 })
    expect(await tables()).toEqual([])
    expect(await migrateLatest(database.knex)).toEqual(names)
    expect((await migrate('status')).stdout).toContain('No Pending')
    expect(await migrate('rollback', '--all')).toMatchObject({ exitCode: 0 })
    expect(await tables()).toEqual([])
  })

  it('gives the lock of a killed migration back', async () => {
    await migrateLatest(database.knex)
    await database.knex('knex_migrations_lock').update({ is_locked: 1 })
    expect(await migrate('latest')).toMatchObject({ exitCode: 1 })
    expect(await migrate('unlock')).toMatchObject({ exitCode: 0 })
    expect(await migrate('latest')).toMatchObject({ exitCode: 0 })
  })
})

describe('npm run migrate, used wrongly', () => {
  it.each([
    [[]],
    [['newest']],
    [['latest', 'please']],
    [['make']],
    [['make', '../evil']],
    [['make', 'Name']],
  ])('explains itself to %j', async (words) => {
    const { exitCode, stderr } = await migrate(...words)
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^Usage: npm run migrate/)
  })

  it('says in a sentence that there is no configuration', async () => {
    const { exitCode, stderr } = await runBundle('migrate', ['latest'], {})
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'migrate: configuration: DATABASE_URL is not set\n',
    })
  })

  it('says in a sentence that the database cannot be reached, and keeps the password to itself', async () => {
    const port = await freePort()
    const url = `mysql://somebody:verysecret@127.0.0.1:${port}/frontrow`
    const { exitCode, stdout, stderr } = await runBundle('migrate', ['latest'], { DATABASE_URL: url })
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^migrate: the database at DATABASE_URL cannot be used: .*ECONNREFUSED.*\n$/)
    expect(stdout + stderr).not.toContain('verysecret')
  })
})
