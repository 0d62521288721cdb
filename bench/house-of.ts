import type { Knex } from 'knex'
import { performanceDefinitionSchema } from '../shared/catalogue/performance-schema.ts'
import { putPerformance } from '../shared/catalogue/put-performance.ts'
import { shardOfSlot, slotOf } from '../shared/placement.ts'
import type { House } from './load/house.ts'

/** Of a deployment that is told nothing else. */
const SHARDS = 4

export type Rooms = Omit<House, 'performanceIds'>

/** A house whose performances lie evenly on the shards: which fall together by chance must not decide between two rows. */
export function houseOf(name: string, performances: number, rooms: Rooms, shards = SHARDS): House {
  const performanceIds: string[] = []
  for (let attempt = 0; performanceIds.length < performances; attempt++) {
    const id = `${name}-${attempt}`
    const shard = shardOfSlot({ version: 1, shards, partitionsPerShard: 1 }, slotOf(id))
    if (shard === performanceIds.length % shards) performanceIds.push(id)
  }
  return { performanceIds, ...rooms }
}

/** Puts the house's performances on sale. */
export async function putHouse(knex: Knex, house: House): Promise<void> {
  const definition = performanceDefinitionSchema.parse({
    title: 'Benchmark',
    venue: 'Arena',
    startsAt: '2099-01-01T00:00:00Z',
    sections: Array.from({ length: house.sections }, (_, section) => ({
      id: `S${section}`,
      name: `Section ${section}`,
      rows: Array.from({ length: house.rows }, (_row, row) => ({
        id: String(row + 1),
        seats: house.seatsPerRow,
      })),
    })),
  })
  for (const performanceId of house.performanceIds) await putPerformance(knex, performanceId, definition)
}
