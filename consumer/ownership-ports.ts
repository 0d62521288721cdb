import type { Redis } from 'ioredis'
import type { Knex } from 'knex'
import type { Log } from '../shared/log.ts'
import type { Topology } from '../shared/placement.ts'
import { Beats } from '../shared/rebalance/beats.ts'
import { broadcastMap } from '../shared/rebalance/map-broadcast.ts'
import { RebalanceLock } from '../shared/rebalance/rebalance-lock.ts'
import { readNewestMap, storeMap } from '../shared/rebalance/stored-maps.ts'
import type { MembershipKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import { claimPartitions, stampPartitions } from './claim-partitions.ts'
import type { OwnershipMetrics } from './metrics.ts'
import type { OwnershipPorts } from './ownership.ts'
import type { Shard, Shards } from './shards.ts'

export interface OwnershipServers {
  readonly member: string
  readonly topology: Topology
  readonly keys: MembershipKeys
  readonly log: Log
  readonly metrics: OwnershipMetrics
  readonly commits: Knex
  /** A small pool of its own: behind the loading of sections a healthy member would look dead. */
  readonly control: Knex
  readonly redis: Redis
  /** In the role `lock`. */
  readonly lockRedis: Redis
  readonly scripts: Scripts
  readonly shards: Shards
  readonly monotonicMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * A loop that has not got round for so long makes no progress, whatever keeps it: its partitions are better off elsewhere.
 * Longer than a frozen owner can hold locks (5 s) and a claim waits for them (3 s), which no other consumer could mend.
 */
const LOOP_STANDSTILL_MS = 10_000

/** The ownership protocol's effects on the real Redis, MySQL and loops. */
export function ownershipPorts(servers: OwnershipServers): OwnershipPorts {
  const { member, topology, keys, commits, control, redis, scripts, shards } = servers
  const beats = new Beats(redis, scripts, keys, member)
  const lock = new RebalanceLock([servers.lockRedis], keys)
  return {
    log: servers.log,
    metrics: servers.metrics,
    monotonicMs: servers.monotonicMs,
    sleep: servers.sleep,
    probe: async () => {
      await Promise.all([control.raw('SELECT 1'), commits.raw('SELECT 1')])
      return shards.standstillMs < LOOP_STANDSTILL_MS
    },
    exchange: (beat, forget) => beats.exchange(beat, forget),
    readMap: () => readNewestMap(control, topology, servers.log),
    lock: () => lock.acquire(),
    storeMap: (map, reason) => storeMap(control, topology, map, reason, Date.now()),
    broadcast: (map) => broadcastMap(scripts, keys, map),
    claim: async (generation, partitions, answer) => {
      const claim = { owner: member, generation, nowMs: Date.now() }
      await inEachShard(shards, partitions, (shard, numbers) =>
        claimPartitions(commits, shard.key, numbers, claim, ({ stakes, refused }) => {
          shard.loop.own(stakes)
          const turnedDown = [...refused].map(([number, ofRow]) => ({
            partition: shards.ungroup(shard, [number])[0] ?? 0,
            generation: ofRow,
          }))
          answer(shards.ungroup(shard, stakes.keys()), turnedDown)
        }),
      )
    },
    stamp: async (generation, partitions) => {
      const kept = new Set<number>()
      await inEachShard(shards, partitions, async (shard, numbers) => {
        const epochs = new Map<number, number>()
        for (const number of numbers) {
          const epoch = shard.loop.epochOf(number)
          if (epoch !== undefined) epochs.set(number, epoch)
        }
        const still = await stampPartitions(commits, shard.key, epochs, generation)
        for (const partition of shards.ungroup(shard, still)) kept.add(partition)
      })
      return kept
    },
    release: async (partitions) => {
      await inEachShard(shards, partitions, (shard, numbers) => shard.loop.release(numbers))
    },
  }
}

/** All at once; fails with the first failure, after all have ended. */
async function inEachShard(
  shards: Shards,
  partitions: readonly number[],
  work: (shard: Shard, numbers: readonly number[]) => Promise<void>,
): Promise<void> {
  const groups = [...shards.group(partitions)]
  const results = await Promise.allSettled(groups.map(([shard, numbers]) => work(shard, numbers)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
