import { describe, expect, it } from 'vitest'
import {
  firstSequence,
  firstSlotOfShard,
  hashParts,
  partitionOf,
  shardOfSlot,
  SLOT_COUNT,
  slotOf,
} from './placement.ts'
import { redisKeys, shardTags, topologyMark } from './redis/keys.ts'
import { deriveRequestId, fingerprintOf, slotOfRequestId } from './request-id.ts'
import calculateSlot from 'cluster-key-slot'

const topology = { version: 1, shards: 4, partitionsPerShard: 16 }

describe('placement', () => {
  it('never changes: these values are stored in every deployment', () => {
    expect(slotOf('hamlet-0101')).toBe(12503)
    expect(partitionOf(topology, 'hamlet-0101', 'A')).toEqual({ shard: 3, number: 5 })
    expect(deriveRequestId('alice', 'hamlet-0101', 'key-1')).toBe('30d702bab194adc4790074a35cbe2eaaa94e')
  })

  it('gives every slot to one shard, in equal ranges whose first slots are known', () => {
    for (const shards of [1, 3, 4, 1_000]) {
      const sizes = new Array<number>(shards).fill(0)
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        const shard = shardOfSlot({ ...topology, shards }, slot)
        sizes[shard] = (sizes[shard] ?? 0) + 1
      }
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      for (let shard = 0; shard < shards; shard++) {
        const first = firstSlotOfShard({ ...topology, shards }, shard)
        expect(shardOfSlot({ ...topology, shards }, first)).toBe(shard)
        if (first > 0) expect(shardOfSlot({ ...topology, shards }, first - 1)).toBe(shard - 1)
      }
    }
  })

  it('spreads sections over all partitions', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 64_000; i++) {
      const { shard, number } = partitionOf(
        topology,
        `performance-${i % 640}`,
        `section-${Math.floor(i / 640)}`,
      )
      counts.set(`${shard}/${number}`, (counts.get(`${shard}/${number}`) ?? 0) + 1)
    }
    expect(counts.size).toBe(64)
    expect(Math.max(...counts.values())).toBeLessThan(1_400)
  })

  it('keeps parts apart that run together', () => {
    expect(hashParts(['ab', 'c'])).not.toEqual(hashParts(['a', 'bc']))
    expect(deriveRequestId('a', 'p', 'bc')).not.toBe(deriveRequestId('ab', 'p', 'c'))
  })

  it('orders a section’s places across topologies, in exact integers', () => {
    expect(firstSequence(1)).toBe(0)
    expect(firstSequence(2)).toBeGreaterThan(1e12)
    expect(Number.isSafeInteger(firstSequence(8_000))).toBe(true)
  })
})

describe('request ids and fingerprints', () => {
  it('carry the slot of their performance', () => {
    for (const performanceId of ['a', 'hamlet', 'Hamlet', 'x'.repeat(64)]) {
      expect(slotOfRequestId(deriveRequestId('alice', performanceId, 'k'))).toBe(slotOf(performanceId))
    }
  })

  it('take the same seats in another order for the same wish, and nothing else', () => {
    const body = { performanceId: 'p', sectionId: 'A', seatIds: ['1-1', '1-2'] }
    expect(fingerprintOf({ ...body, seatIds: ['1-2', '1-1'] })).toBe(fingerprintOf(body))
    expect(fingerprintOf({ ...body, seatIds: ['1-1'] })).not.toBe(fingerprintOf(body))
    expect(fingerprintOf({ ...body, sectionId: 'B' })).not.toBe(fingerprintOf(body))
  })
})

describe('keys', () => {
  it('put the shards’ hash tags evenly over the slots of Redis Cluster', () => {
    for (const shards of [1, 4, 7, 64]) {
      const ranges = shardTags(shards).map((tag) => Math.floor((calculateSlot(tag) * shards) / SLOT_COUNT))
      expect(ranges).toEqual(Array.from({ length: shards }, (_, i) => i))
    }
  })

  it('share the tag of their shard', () => {
    const keys = redisKeys('frontrow', topology)
    const requestId = deriveRequestId('alice', 'hamlet-0101', 'k')
    const partition = partitionOf(topology, 'hamlet-0101', 'A')
    const all = [
      keys.topology(partition.shard),
      keys.stream(partition),
      keys.record(requestId),
      keys.record(`${requestId}/cancel`),
      keys.outcome(requestId),
      keys.rate(partition.shard, 'alice'),
    ]
    expect(new Set(all.map((key) => calculateSlot(key))).size).toBe(1)
    expect(new Set(all).size).toBe(all.length)
    expect(topologyMark(topology)).toBe('1:4x16')
  })
})
