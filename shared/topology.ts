import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { CommonConfig } from './config.ts'
import { FrontrowError } from './errors.ts'
import { firstSequence, firstSlotOfShard, type Topology } from './placement.ts'
import { redisKeys, topologyMark } from './redis/keys.ts'

/** The topology of a new deployment that is told nothing else. */
const DEFAULT_SHARDS = 4
const DEFAULT_PARTITIONS_PER_SHARD = 16

interface TopologyRow {
  readonly version: number
  readonly shards: number
  readonly partitions_per_shard: number
}

/** The topology in force, from MySQL; undefined in a database that has none yet. */
export async function readTopology(knex: Knex): Promise<Topology | undefined> {
  const row = await knex<TopologyRow>('topology').orderBy('version', 'desc').first()
  return row && { version: row.version, shards: row.shards, partitionsPerShard: row.partitions_per_shard }
}

/**
 * The topology in force, made from the configuration in a database that has none.
 *
 * @throws FrontrowError TOPOLOGY_DIFFERS if this process was configured otherwise than what is stored
 */
export async function ensureTopology(
  knex: Knex,
  config: Pick<CommonConfig, 'shards' | 'partitionsPerShard'>,
  nowMs: number,
): Promise<Topology> {
  const stored = (await readTopology(knex)) ?? (await createTopology(knex, config, nowMs))
  const differences = [
    ['SHARDS', config.shards, stored.shards] as const,
    ['PARTITIONS_PER_SHARD', config.partitionsPerShard, stored.partitionsPerShard] as const,
  ].filter(([, wanted, found]) => wanted !== undefined && wanted !== found)
  if (differences.length > 0) {
    const what = differences.map(
      ([name, wanted, found]) => `${name} is ${wanted} here and ${found} in the database`,
    )
    throw new FrontrowError('TOPOLOGY_DIFFERS', `topology: ${what.join('; ')}`)
  }
  return stored
}

async function createTopology(
  knex: Knex,
  config: Pick<CommonConfig, 'shards' | 'partitionsPerShard'>,
  nowMs: number,
): Promise<Topology> {
  const wanted: Topology = {
    version: 1,
    shards: config.shards ?? DEFAULT_SHARDS,
    partitionsPerShard: config.partitionsPerShard ?? DEFAULT_PARTITIONS_PER_SHARD,
  }
  // Several processes may start at once: the first one's row stands, the others read it back.
  await knex.transaction(async (trx) => {
    await trx('topology')
      .insert({
        version: wanted.version,
        shards: wanted.shards,
        partitions_per_shard: wanted.partitionsPerShard,
        created_at_ms: nowMs,
      })
      .onConflict()
      .ignore()
    const stored = await readTopology(trx)
    if (stored === undefined) throw new FrontrowError('TOPOLOGY_UNKNOWN', 'the topology could not be stored')
    await trx('partitions').insert(partitionRows(stored)).onConflict().ignore()
  })
  const stored = await readTopology(knex)
  if (stored === undefined) throw new FrontrowError('TOPOLOGY_UNKNOWN', 'the topology could not be stored')
  return stored
}

function partitionRows(topology: Topology): Record<string, number>[] {
  return Array.from({ length: topology.shards * topology.partitionsPerShard }, (_, index) => ({
    slot: firstSlotOfShard(topology, Math.floor(index / topology.partitionsPerShard)),
    topology_version: topology.version,
    number: index % topology.partitionsPerShard,
    sequence: firstSequence(topology.version),
  }))
}

/**
 * Writes the topology's mark on every shard that lacks it or has an older one. Redis may lose it; MySQL is
 * where it lives. An unequal mark is replaced only by a higher version, so that a process with old
 * knowledge cannot undo a change.
 */
export async function publishTopology(redis: Redis, prefix: string, topology: Topology): Promise<void> {
  const keys = redisKeys(prefix, topology)
  const mark = topologyMark(topology)
  for (let shard = 0; shard < topology.shards; shard++) {
    const key = keys.topology(shard)
    const found = await redis.get(key)
    if (found === null || Number.parseInt(found, 10) < topology.version) await redis.set(key, mark)
  }
}
