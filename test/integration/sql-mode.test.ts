import { afterAll, beforeAll, expect, it } from 'vitest'
import { bookAndWait, World } from '../support/world.ts'

let world: World
let before = ''

beforeAll(async () => {
  world = await World.create()
  const [[row]] = (await world.knex.raw('SELECT @@GLOBAL.sql_mode AS mode')) as [[{ mode: string }]]
  before = row.mode
})
afterAll(async () => {
  await world.knex.raw('SET GLOBAL sql_mode = ?', [before])
  await world.end()
})

// All sessions of the tests set their own, so that nobody beside this one sees it.
it.each(['NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', ''])(
  'a server whose SQL mode is "%s" keeps names as they are',
  async (mode) => {
    await world.knex.raw('SET GLOBAL sql_mode = ?', [mode])
    await world.putPerformance(`mode-${mode}`)
    const server = await world.startFunctions()
    const consumer = await world.startConsumer()
    const customer = `o'neil \\' "x" ? \\`
    const wish = { performanceId: `mode-${mode}`, sectionId: 'A', seatIds: ['1-1'] }
    expect(await bookAndWait(server, customer, wish)).toMatchObject({ status: 'CONFIRMED' })
    const stored: unknown = await world
      .knex('decisions')
      .where({ performance_id: wish.performanceId })
      .pluck('customer_id')
    expect(stored).toEqual([customer])
    await consumer.stop()
    await server.stop()
  },
)
