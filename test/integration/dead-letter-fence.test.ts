import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimPartitions, type ShardKey } from '../../consumer/claim-partitions.ts'
import { commitBatch, type CommitResult } from '../../consumer/commit-batch.ts'
import { decideBatch, type Poison, type Stake } from '../../consumer/decide-batch.ts'
import { parseEntry, type Entry } from '../../consumer/parse-entry.ts'
import { SeatHolders } from '../../consumer/seat-holders.ts'
import { SectionState } from '../../consumer/section-state.ts'
import { encodeCommand } from '../../shared/commands.ts'
import { firstSlotOfShard, partitionOf } from '../../shared/placement.ts'
import { deriveRequestId, fingerprintOf } from '../../shared/request-id.ts'
import { World } from '../support/world.ts'

const SHARD = 0

let world: World
/** Performances of one shard, in different partitions: of one this owner is a stale one, of the other it is not. */
let lost = ''
let kept = ''
let stakes: Map<number, Stake>

beforeEach(async () => {
  world = await World.create()
  const byPartition = new Map<number, string>()
  for (let i = 0; byPartition.size < 2; i++) {
    const { shard, number } = partitionOf(world.topology, `p${i}`, 'A')
    if (shard === SHARD) byPartition.set(number, `p${i}`)
  }
  ;[lost = '', kept = ''] = byPartition.values()
  stakes = new Map()
  await claim([...byPartition.keys()], 'me', stakes)
  await claim([partitionFor(lost)], 'them', new Map())
})
afterEach(async () => {
  await world.end()
})

const shardKey = (): ShardKey => ({
  slot: firstSlotOfShard(world.topology, SHARD),
  topologyVersion: world.topology.version,
})

const partitionFor = (performanceId: string): number => partitionOf(world.topology, performanceId, 'A').number

async function claim(numbers: readonly number[], owner: string, found: Map<number, Stake>): Promise<void> {
  await claimPartitions(world.knex, shardKey(), numbers, { owner, generation: 0, nowMs: 1 }, ({ stakes }) => {
    for (const [number, stake] of stakes) found.set(number, stake)
  })
}

function entryOf(performanceId: string, seatIds: readonly string[]): Entry {
  const fields = encodeCommand({
    kind: 'book',
    requestId: deriveRequestId('alice', performanceId, 'k'),
    customerId: 'alice',
    ...{ performanceId, sectionId: 'A', seatIds },
    requestedAtUs: 1_795_000_000_000_000,
    topologyVersion: 1,
    fingerprint: fingerprintOf({ performanceId, sectionId: 'A', seatIds: ['1-1'] }),
  })
  return { partition: partitionFor(performanceId), id: '1-1', fields }
}

const nonsense = (performanceId: string): Entry => ({
  partition: partitionFor(performanceId),
  id: '1-1',
  fields: ['hello', performanceId],
})
/** Names no seats, so it is no command; names a request, which is rejected therefore. */
const malformed = (performanceId: string): Entry => entryOf(performanceId, [])
const command = (performanceId: string): Entry => entryOf(performanceId, ['1-1'])
const condemned = (storeRejection: boolean): Poison => ({ reason: 'cannot be committed', storeRejection })

async function commit(entries: readonly Entry[], condemned: Poison | undefined): Promise<CommitResult> {
  const batch = decideBatch(entries.map(parseEntry), {
    topology: world.topology,
    shard: SHARD,
    shardSlot: shardKey().slot,
    stakes,
    section: () => new SectionState({ terms: undefined, exists: false, holders: SeatHolders.of(new Map()) }),
    storedBefore: new Map(),
    marksIn: undefined,
    poison: new Map(
      condemned && [lost, kept].map((name) => [deriveRequestId('alice', name, 'k'), condemned]),
    ),
  })
  const context = { knex: world.knex, shard: SHARD, shardKey: shardKey(), nowMs: 1 }
  return commitBatch(batch, context)
}

const partitionsIn = (table: 'dead_letters' | 'decisions'): Promise<number[]> =>
  world.knex(table).pluck('partition_number')

describe.each<[string, (performanceId: string) => Entry, Poison | undefined, rejects: boolean]>([
  ['of an entry that says nothing', nonsense, undefined, false],
  ['of an entry that is no command', malformed, undefined, true],
  ['of a command that cannot be committed', command, condemned(true), true],
  ['of a command whose rejection cannot be stored either', command, condemned(false), false],
])('the dead letter %s', (_, entry, poison, rejects) => {
  it('is refused to whom the partition no longer belongs, and its rejection with it', async () => {
    expect(await commit([entry(lost)], poison)).toMatchObject({ kind: 'refused' })
    expect(await partitionsIn('dead_letters')).toEqual([])
    expect(await partitionsIn('decisions')).toEqual([])
  })

  it('is cut out beside a partition that is still theirs', async () => {
    const result = await commit([entry(lost), entry(kept)], poison)
    expect(result).toEqual({ kind: 'committed', refused: new Set([partitionFor(lost)]) })
    expect(await partitionsIn('dead_letters')).toEqual([partitionFor(kept)])
    expect(await partitionsIn('decisions')).toEqual(rejects ? [partitionFor(kept)] : [])
  })
})
