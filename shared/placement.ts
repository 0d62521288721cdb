import { createHash } from 'node:crypto'

/** Number of slots, for ever: a slot is the first column of every row's key, so it can never change. */
export const SLOT_COUNT = 16_384

/** How the slots are spread over streams. Immutable; a change is a new version. */
export interface Topology {
  /** Counts from 1. */
  readonly version: number
  /** Ranges of slots, each with one Redis hash tag; 1 to 1,024. */
  readonly shards: number
  /** Streams of a shard; 1 to 4,096. */
  readonly partitionsPerShard: number
}

/** A partition: one stream of one shard. `number` counts from 0 within the shard. */
export interface PartitionId {
  readonly shard: number
  readonly number: number
}

/** A length in front of each part keeps ("ab", "c") and ("a", "bc") apart. */
export function hashParts(parts: readonly string[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) {
    hash.update(`${Buffer.byteLength(part)}:`)
    hash.update(part)
  }
  return hash.digest()
}

/**
 * Values that are asked for again and again and always come out the same. Emptied when full, which is
 * cheaper than an LRU and good enough: clients choose the keys, so the bound is what matters.
 */
function remembered(compute: (key: string) => number, maxEntries: number): (key: string) => number {
  const known = new Map<string, number>()
  return (key) => {
    let value = known.get(key)
    if (value === undefined) {
      value = compute(key)
      if (known.size >= maxEntries) known.clear()
      known.set(key, value)
    }
    return value
  }
}

/** SHA-256 modulo 16,384, which is its last 14 bits. */
export const slotOf: (performanceId: string) => number = remembered(
  (performanceId) => createHash('sha256').update(performanceId).digest().readUInt16BE(30) % SLOT_COUNT,
  10_000,
)

const sectionHash = remembered((key) => {
  const [performanceId = '', sectionId = ''] = key.split('/')
  return hashParts([performanceId, sectionId]).readUInt32BE(28)
}, 100_000)

export function shardOfSlot(topology: Topology, slot: number): number {
  return Math.floor((slot * topology.shards) / SLOT_COUNT)
}

/** First slot of a shard's range: the slot under which the shard's own rows are stored. */
export function firstSlotOfShard(topology: Topology, shard: number): number {
  return Math.ceil((shard * SLOT_COUNT) / topology.shards)
}

/** The partition that decides a section's requests. */
export function partitionOf(topology: Topology, performanceId: string, sectionId: string): PartitionId {
  return {
    shard: shardOfSlot(topology, slotOf(performanceId)),
    number: sectionHash(`${performanceId}/${sectionId}`) % topology.partitionsPerShard,
  }
}

/**
 * Where the sequences of a topology's partitions begin. A section that moves to another partition with
 * a new topology goes on with higher places, so places of one section compare for ever: 2^40 decisions
 * a partition and 8,192 topologies fit into the integers that JavaScript represents exactly.
 */
export function firstSequence(topologyVersion: number): number {
  return (topologyVersion - 1) * 2 ** 40
}
