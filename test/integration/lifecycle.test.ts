import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { firstSlotOfShard, partitionOf } from '../../shared/placement.ts'
import { bookAndWait, World } from '../support/world.ts'

describe('a consumer that starts and stops', () => {
  let world: World

  beforeEach(async () => {
    world = await World.create()
  })
  afterEach(async () => {
    await world.end()
  })

  it('ends at once when it is stopped while it starts', async () => {
    for (const delayMs of [0, 1, 5, 20, 50]) {
      const { consumer, ended } = world.beginConsumer()
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      consumer.stop()
      await ended
      expect(consumer.ownerState).toBe('stopped')
    }
  })

  it('decides what it has claimed while it waits for the rest', async () => {
    const server = await world.startFunctions()
    await world.putPerformance('hamlet')
    const home = partitionOf(world.topology, 'hamlet', 'A')
    const elsewhere = firstSlotOfShard(world.topology, (home.shard + 1) % world.topology.shards)
    const frozen = connectMysql(world.database.config, 'read', 1)
    const held = await frozen.transaction()
    try {
      await held('partitions').where({ slot: elsewhere, topology_version: 1, number: 3 }).forUpdate()
      const { consumer, ended } = world.beginConsumer()
      expect(
        await bookAndWait(server, 'alice', { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }),
      ).toMatchObject({
        status: 'CONFIRMED',
      })
      expect((await consumer.readiness()).owned).toBe(63)
      consumer.stop()
      await ended
    } finally {
      await held.rollback()
      await frozen.destroy()
    }
  })
})
