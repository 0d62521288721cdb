import { hash } from 'node:crypto'

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

/**
 * SHA-256 in hexadecimal. A length in front of each part keeps ("ab", "c") and ("a", "bc") apart. One text and one call,
 * because each call out of JavaScript costs as much as the hash itself.
 */
export function hashParts(parts: readonly string[]): string {
  let text = ''
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part}`
  return hash('sha256', text, 'hex')
}

/** The last 32 bits of a hash in hexadecimal. */
function lastBits(hex: string): number {
  return Number.parseInt(hex.slice(-8), 16)
}

/** Performances whose placement is remembered. */
const REMEMBERED_PERFORMANCES = 10_000
/** Sections of one performance that are remembered. */
const REMEMBERED_SECTIONS = 1_000

interface Remembered {
  readonly slot: number
  /** Section → its hash. */
  readonly sections: Map<string, number>
}

/**
 * Placement is asked for again and again and always comes out the same. Emptied when full, which is cheaper than an LRU
 * and good enough: clients choose the names, so the bound is what matters.
 */
const performances = new Map<string, Remembered>()

function rememberedOf(performanceId: string): Remembered {
  let known = performances.get(performanceId)
  if (known === undefined) {
    // SHA-256 modulo 16,384, which is its last 14 bits.
    const slot = lastBits(hash('sha256', performanceId, 'hex')) % SLOT_COUNT
    known = { slot, sections: new Map() }
    if (performances.size >= REMEMBERED_PERFORMANCES) performances.clear()
    performances.set(performanceId, known)
  }
  return known
}

function sectionHash(known: Remembered, performanceId: string, sectionId: string): number {
  let found = known.sections.get(sectionId)
  if (found === undefined) {
    found = lastBits(hashParts([performanceId, sectionId]))
    if (known.sections.size >= REMEMBERED_SECTIONS) known.sections.clear()
    known.sections.set(sectionId, found)
  }
  return found
}

/** The slot of a performance, for ever. */
export function slotOf(performanceId: string): number {
  return rememberedOf(performanceId).slot
}

export function shardOfSlot(topology: Topology, slot: number): number {
  return Math.floor((slot * topology.shards) / SLOT_COUNT)
}

/** First slot of a shard's range: the slot under which the shard's own rows are stored. */
export function firstSlotOfShard(topology: Topology, shard: number): number {
  return Math.ceil((shard * SLOT_COUNT) / topology.shards)
}

/** The partition that decides a section's requests. */
export function partitionOf(topology: Topology, performanceId: string, sectionId: string): PartitionId {
  const known = rememberedOf(performanceId)
  return {
    shard: shardOfSlot(topology, known.slot),
    number: sectionHash(known, performanceId, sectionId) % topology.partitionsPerShard,
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
