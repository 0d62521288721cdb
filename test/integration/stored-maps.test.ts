import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLog } from '../../shared/log.ts'
import { readNewestMap, storeMap } from '../../shared/rebalance/stored-maps.ts'
import { World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await World.create()
})
afterEach(async () => {
  await world.end()
})

const log = createLog('test', 'silent')
const map = (generation: number): Parameters<typeof storeMap>[2] => ({
  generation,
  assignment: { members: ['a', 'b'], owners: Array.from({ length: 64 }, (_, i) => i % 2) },
})

describe('the table of maps', () => {
  it('takes each generation once, and keeps what was there first', async () => {
    expect(await storeMap(world.knex, world.topology, map(7), 'join', 1)).toEqual(map(7))
    const other = { ...map(7), assignment: { members: ['c'], owners: map(7).assignment.owners.map(() => 0) } }
    await expect(storeMap(world.knex, world.topology, other, 'join', 1)).rejects.toMatchObject({
      code: 'GENERATION_TAKEN',
    })
    expect(await readNewestMap(world.knex, world.topology, log)).toEqual({ newest: map(7), highest: 7 })
  })

  it('forgets the oldest generations', async () => {
    for (const generation of [1, 2, 3]) await storeMap(world.knex, world.topology, map(generation), 'join', 1)
    await storeMap(world.knex, world.topology, map(1_002), 'join', 1)
    expect(await world.knex('rebalances').orderBy('generation').pluck('generation')).toEqual([3, 1_002])
  })

  it('stops nobody by a row that cannot be read: the next map goes over it', async () => {
    await world.knex('rebalances').insert({
      generation: 41,
      topology_version: 1,
      members: '[]',
      assignment: '{"members":["a"],"owners":[5]}',
      reason: 'join',
      created_at_ms: 1,
    })
    expect(await readNewestMap(world.knex, world.topology, log)).toEqual({ newest: undefined, highest: 41 })
    const { consumer } = await world.startConsumer()
    expect(await consumer.readiness()).toMatchObject({ owned: 64, generation: 42 })
  })
})
