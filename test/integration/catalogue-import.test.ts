import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getPerformance, getSectionSeats, listPerformances } from '../../shared/catalogue/read-catalogue.ts'
import { slotOf } from '../../shared/placement.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { runBundle, type Ended } from '../support/run-bundle.ts'

const demo = join(import.meta.dirname, '..', '..', 'deploy', 'demo', 'catalogue.json')

const hamlet = {
  id: 'hamlet',
  title: 'Hamlet',
  venue: 'Globe',
  startsAt: '2027-01-01T19:00:00Z',
  sections: [{ id: 'A', name: 'Pit', rows: [{ id: '1', seats: 2 }] }],
}

let database: TemporaryDatabase
let folder: string

beforeAll(async () => {
  database = await temporaryDatabase()
  folder = await mkdtemp(join(tmpdir(), 'frontrow-import-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
  await database.drop()
})

const frontrow = (...words: string[]): Promise<Ended> =>
  runBundle('frontrow', words, { DATABASE_URL: database.url })

async function importText(text: string): Promise<Ended> {
  const file = join(folder, 'catalogue.json')
  await writeFile(file, text)
  return frontrow('import', file)
}

describe('frontrow import', () => {
  it('loads the demo, and finds it unchanged the next time', async () => {
    const first = await frontrow('import', demo, '--json')
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    const results = JSON.parse(first.stdout) as { performanceId: string; result: unknown }[]
    expect(results.map(({ result }) => result)).toEqual(results.map(() => ({ kind: 'created', version: 1 })))

    const again = await frontrow('import', demo)
    expect(again.exitCode).toBe(0)
    expect(again.stdout).toContain('hamlet-0101: unchanged, version 1\n')
  })

  it('brings the seats that the documents speak of', async () => {
    const row = (await getSectionSeats(database.knex, 'hamlet-0101', 'A'))?.rows.find(({ id }) => id === '1')
    expect(row?.seats).toEqual(expect.arrayContaining(['17', '18']))
    expect(await getPerformance(database.knex, 'hamlet-0101')).not.toHaveProperty('saleOpensAt')
    const arena = await getPerformance(database.knex, 'arena-0601')
    expect(arena?.sections.reduce((sum, { seats }) => sum + seats, 0)).toBe(15_000)
    const file = JSON.parse(await readFile(demo, 'utf8')) as { performances: { id: string }[] }
    const listed = await listPerformances(database.knex, { limit: 100 })
    expect(listed.performances.map(({ id }) => id)).toEqual(file.performances.map(({ id }) => id).sort())
  })

  it('exits with 1 where seats are sold that the file leaves out', async () => {
    const larger = structuredClone(hamlet)
    larger.sections[0]?.rows.push({ id: '2', seats: 1 })
    expect((await importText(JSON.stringify({ performances: [larger] }))).exitCode).toBe(0)
    await database.knex('booked_seats').insert({
      slot: slotOf('hamlet'),
      performance_id: 'hamlet',
      section_id: 'A',
      seat_id: '2-1',
      request_id: 'r',
    })
    const { exitCode, stdout } = await importText(JSON.stringify({ performances: [hamlet] }))
    expect({ exitCode, stdout }).toEqual({
      exitCode: 1,
      stdout: 'hamlet: refused, it leaves out seats that are sold: A/2-1\n',
    })
  })
})

describe('frontrow import of a file that is wrong', () => {
  const good = { ...hamlet, id: 'good' }

  it.each([
    ['no JSON', '{', /catalogue\.json is not JSON\n$/],
    ['no list', '{}', /^frontrow: catalogue: performances: .+\n$/],
    [
      'an id with a space',
      JSON.stringify({ performances: [good, { ...hamlet, id: 'ham let' }] }),
      /performances\.1\.id: must be 1 to 64 letters/,
    ],
    [
      'one bad performance of two',
      JSON.stringify({ performances: [good, { ...hamlet, title: undefined }] }),
      /performances\.1 \(hamlet\): title: /,
    ],
    [
      'a performance twice',
      JSON.stringify({ performances: [good, good] }),
      /performance good stands there twice/,
    ],
  ])('puts nothing and says where: %s', async (_, text, complaint) => {
    const { exitCode, stdout, stderr } = await importText(text)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(complaint)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(await getPerformance(database.knex, 'good')).toBeUndefined()
  })

  it.each([[['import', 'nowhere.json']], [['import']], [['improt', 'x']], [['import', demo, '--yes']]])(
    'exits with 2 on %j, without a stack',
    async (words) => {
      const { exitCode, stderr } = await frontrow(...words)
      expect(exitCode).toBe(2)
      expect(stderr).not.toMatch(/^\s+at /m)
    },
  )
})
