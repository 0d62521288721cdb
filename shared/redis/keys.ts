import calculateSlot from 'cluster-key-slot'
import { shardOfSlot, SLOT_COUNT, type PartitionId, type Topology } from '../placement.ts'
import { slotOfRequestId } from '../request-id.ts'

/** The Redis keys of one deployment. All keys of a shard share a hash tag, so that one script may touch them. */
export interface RedisKeys {
  /** String: the topology that this shard's streams belong to, as `topologyMark` writes it. */
  topology(shard: number): string
  /** String with an expiry: present while memory is so short that no new request is accepted. */
  pressure(shard: number): string
  /** Stream: the commands of a partition that are not yet decided. */
  stream(partition: PartitionId): string
  /** Hash: what is remembered of a request so that a retry is recognised. */
  record(commandId: string): string
  /** What the names of a shard's records begin with. */
  records(shard: number): string
  /**
   * Hash with an expiry: seats that somebody asked for in vain (`performance/section/seat`) → the request that holds them.
   * By topology: under another one, cancels were remembered elsewhere.
   */
  takenSeats(shard: number): string
  /** String, JSON of `Booking`: what a client may see of a request. */
  outcome(requestId: string): string
  /** String with an expiry: requests of one customer in the present window. */
  rate(shard: number, customerId: string): string
  /** Stream, bounded: what batches changed of the shard's seats. */
  seatChanges(shard: number): string
  /** Hash: up to which place in the order that stream tells, by partition. */
  seatChangesTold(shard: number): string
  /** Sharded channel: outcomes for those who wait on one function instance. */
  replies(shard: number, address: string): string
}

/** The keys of the consumers among themselves; of no shard, and with one hash tag too. */
export interface MembershipKeys {
  /** Hash: member → its beat. */
  readonly beats: string
  /** Stream of bounded length: the newest maps. */
  readonly maps: string
  /** The lock under which a member rebalances. */
  readonly lock: string
}

/** By topology: members that know different ones have nothing to say to each other. */
export function membershipKeys(prefix: string, topology: Pick<Topology, 'version'>): MembershipKeys {
  const root = `${prefix}{members}${topology.version}:`
  return { beats: `${root}beats`, maps: `${root}maps`, lock: `${root}lock` }
}

/** What the accept script compares: any difference means that the function's topology is out of date. */
export function topologyMark(topology: Topology): string {
  return `${topology.version}:${topology.shards}x${topology.partitionsPerShard}`
}

/**
 * A hash tag for each shard such that the shards fall evenly over Redis Cluster's slots: tag i is the
 * first of `i.0`, `i.1`, … whose cluster slot lies in the i-th of equal ranges.
 */
export function shardTags(shards: number): readonly string[] {
  return Array.from({ length: shards }, (_, shard) => {
    for (let attempt = 0; ; attempt++) {
      const tag = `${shard}.${attempt}`
      if (Math.floor((calculateSlot(tag) * shards) / SLOT_COUNT) === shard) return tag
    }
  })
}

/** @param prefix keeps deployments apart that share a Redis; letters, digits, `-`, `_`. */
export function redisKeys(prefix: string, topology: Topology): RedisKeys {
  const roots = shardTags(topology.shards).map((tag) => `${prefix}{${tag}}`)
  const root = (shard: number): string => {
    const found = roots[shard]
    if (found === undefined) throw new RangeError(`shard ${shard} of ${topology.shards}`)
    return found
  }
  const rootOfRequest = (requestId: string): string => root(shardOfSlot(topology, slotOfRequestId(requestId)))
  return {
    topology: (shard) => `${root(shard)}topology`,
    pressure: (shard) => `${root(shard)}pressure`,
    stream: ({ shard, number }) => `${root(shard)}s:${number}`,
    records: (shard) => `${root(shard)}r:`,
    takenSeats: (shard) => `${root(shard)}taken:${topology.version}`,
    record: (commandId) => `${rootOfRequest(commandId)}r:${commandId}`,
    outcome: (requestId) => `${rootOfRequest(requestId)}o:${requestId}`,
    rate: (shard, customerId) => `${root(shard)}c:${customerId}`,
    seatChanges: (shard) => `${root(shard)}seats`,
    seatChangesTold: (shard) => `${root(shard)}told`,
    replies: (shard, address) => `${root(shard)}w:${address}`,
  }
}
