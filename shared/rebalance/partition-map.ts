import { ownerOf, type Assignment } from '../ring/assign.ts'

/**
 * Who owns which partition from a generation on. Partitions are counted through all shards: number n of shard s is
 * `s · partitionsPerShard + n`. Never changes once it is stored: the map that was published is the truth.
 */
export interface PartitionMap {
  readonly generation: number
  readonly assignment: Assignment
}

export function membersOf(map: PartitionMap | undefined): readonly string[] {
  return map?.assignment.members ?? []
}

/** The partitions that a map gives to a member, in ascending order. */
export function partitionsOf(map: PartitionMap | undefined, member: string): readonly number[] {
  if (map === undefined) return []
  const mine: number[] = []
  for (let partition = 0; partition < map.assignment.owners.length; partition++) {
    if (ownerOf(map.assignment, partition) === member) mine.push(partition)
  }
  return mine
}
