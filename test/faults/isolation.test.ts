import { afterEach, beforeEach, expect, it } from 'vitest'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { outcomeOf, requestIdOf, World } from '../support/world.ts'

let world: World
let toMysql: FaultyProxy

beforeEach(async () => {
  world = await World.create()
  toMysql = await FaultyProxy.inFrontOf(world.database.url)
})
afterEach(async () => {
  await world.end()
  await toMysql.close()
})

it('lets a catalogue grow while a batch that asked for what is not there is open: no gap is locked', async () => {
  const server = await world.startFunctions()
  await world.startConsumer({ DATABASE_URL: toMysql.urlOf(world.database.url) })
  const trap = toMysql.trap('COMMIT;', 'hold-before')
  const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
  const requestId = requestIdOf(await server.book('alice', wish))
  await trap.sprung
  const startedAt = performance.now()
  await world.putPerformance('hamlet')
  await world.putPerformance('macbeth')
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  trap.release()
  expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({
    status: 'REJECTED',
    reason: { code: 'UNKNOWN_PERFORMANCE' },
  })
})
