import type { Redis } from 'ioredis'
import { errorFields, type Log } from '../log.ts'
import { READ_BLOCK_MS } from '../redis/connect.ts'
import type { MembershipKeys } from '../redis/keys.ts'
import type { Scripts } from '../redis/scripts.ts'
import { decodeAssignment, encodeAssignment } from '../ring/encode-assignment.ts'
import type { PartitionMap } from './partition-map.ts'

/** Maps that the stream keeps: a reader needs the newest one only. */
const KEPT_MAPS = 8

const PAUSE_AFTER_ERROR_MS = 200

/** Tells every consumer of a map that is stored. @throws if Redis does not answer: they find it in MySQL, later */
export async function broadcastMap(scripts: Scripts, keys: MembershipKeys, map: PartitionMap): Promise<void> {
  await scripts.broadcastMap([keys.maps], [map.generation, encodeAssignment(map.assignment), KEPT_MAPS])
}

export interface FollowOptions {
  /** A connection of its own, in the role `read`. */
  readonly redis: Redis
  readonly keys: MembershipKeys
  readonly log: Log
  readonly sleep: (ms: number) => Promise<void>
  readonly isStopped: () => boolean
  readonly onMap: (map: PartitionMap) => void
}

/** Follows the broadcast until stopped; no group, since every consumer wants every map. The caller ends a blocking read. */
export async function followMaps(options: FollowOptions): Promise<void> {
  const { redis, keys, log, sleep, isStopped, onMap } = options
  // Forgotten on every connection: ids may go backwards after a failover.
  let cursor: string | undefined
  redis.on('ready', () => {
    cursor = undefined
  })
  const restart = async (): Promise<void> => {
    const [last] = await redis.xrevrange(keys.maps, '+', '-', 'COUNT', 1)
    cursor = last?.[0] ?? '0-0'
    if (last !== undefined) hear(last[1], log, onMap)
  }
  while (!isStopped()) {
    try {
      if (cursor === undefined) await restart()
      const reply = await redis.xread('BLOCK', READ_BLOCK_MS, 'STREAMS', keys.maps, cursor ?? '0-0')
      for (const [id, fields] of reply?.[0]?.[1] ?? []) {
        cursor = id
        hear(fields, log, onMap)
      }
    } catch (error) {
      log.debug(errorFields(error), 'following the maps failed')
      cursor = undefined
      await sleep(PAUSE_AFTER_ERROR_MS)
    }
  }
}

function hear(fields: readonly string[], log: Log, onMap: (map: PartitionMap) => void): void {
  const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? ''
  let map: PartitionMap
  try {
    map = { generation: Number(field('generation')), assignment: decodeAssignment(field('assignment')) }
  } catch (error) {
    // The database has it too.
    log.warn(errorFields(error), 'a broadcast map could not be read')
    return
  }
  if (Number.isSafeInteger(map.generation)) onMap(map)
}
