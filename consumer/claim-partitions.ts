import type { Knex } from 'knex'
import { rowList } from '../shared/mysql/rows.ts'
import type { Stake } from './decide-batch.ts'

/** The partitions of one shard, as their rows' keys need them. */
export interface ShardKey {
  /** First slot of the shard: its rows are stored under it. */
  readonly slot: number
  readonly topologyVersion: number
}

export interface Claim {
  readonly owner: string
  /** Generation of the map that names this owner; a partition with a newer one is left alone. */
  readonly generation: number
  readonly nowMs: number
}

interface PartitionRow {
  readonly number: number
  readonly epoch: number
  readonly sequence: number
  readonly generation: number
}

/**
 * Locks partitions' rows, in the order of their numbers, each by its primary key.
 *
 * @param skipLocked leaves out rows that a batch of their present owner holds
 */
export async function lockPartitions(
  trx: Knex.Transaction,
  shard: ShardKey,
  numbers: readonly number[],
  skipLocked = false,
): Promise<PartitionRow[]> {
  if (numbers.length === 0) return []
  const wanted = rowList(
    ['number'],
    [...numbers].sort((a, b) => a - b).map((number) => [number]),
  )
  const [rows] = (await trx.raw(
    `SELECT p.number, p.epoch, p.sequence, p.generation FROM ${wanted.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
       ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
     FOR UPDATE${skipLocked ? ' SKIP LOCKED' : ''}`,
    [...wanted.bindings, shard.slot, shard.topologyVersion],
  )) as [PartitionRow[]]
  return rows
}

/** What came of claiming some partitions of a shard. */
export interface Claimed {
  /** Owned from now on, by partition number. */
  readonly stakes: ReadonlyMap<number, Stake>
  /** A newer generation has given these away; its number, by partition number. */
  readonly refused: ReadonlyMap<number, number>
}

/**
 * Makes this consumer the owner of partitions: raises their epochs, so that whoever owned them before can commit
 * no more. Takes what is free first, then waits for batches in flight.
 *
 * @param onClaimed is told at once of each part: what was claimed is fenced, and waits for nobody
 * @throws if the database fails; what was claimed until then stays claimed
 */
export async function claimPartitions(
  knex: Knex,
  shard: ShardKey,
  numbers: readonly number[],
  claim: Claim,
  onClaimed: (claimed: Claimed) => void,
): Promise<void> {
  const free = await claimOnce(knex, shard, numbers, claim, true)
  onClaimed(free)
  const rest = numbers.filter((number) => !free.stakes.has(number) && !free.refused.has(number))
  if (rest.length === 0) return
  onClaimed(await claimOnce(knex, shard, rest, claim, false))
}

async function claimOnce(
  knex: Knex,
  shard: ShardKey,
  numbers: readonly number[],
  claim: Claim,
  skipLocked: boolean,
): Promise<Claimed> {
  if (numbers.length === 0) return { stakes: new Map(), refused: new Map() }
  return knex.transaction(async (trx) => {
    const rows = await lockPartitions(trx, shard, numbers, skipLocked)
    const mine = rows.filter((row) => row.generation <= claim.generation)
    if (mine.length > 0) {
      const claimed = rowList(
        ['number'],
        mine.map((row) => [row.number]),
      )
      await trx.raw(
        `UPDATE ${claimed.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
           ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
         SET p.epoch = p.epoch + 1, p.owner = ?, p.generation = ?, p.claimed_at_ms = ?`,
        [...claimed.bindings, shard.slot, shard.topologyVersion, claim.owner, claim.generation, claim.nowMs],
      )
    }
    return {
      stakes: new Map(mine.map((row) => [row.number, { epoch: row.epoch + 1, sequence: row.sequence }])),
      refused: new Map(
        rows.filter((row) => row.generation > claim.generation).map((row) => [row.number, row.generation]),
      ),
    }
  })
}

/**
 * Writes a new generation on partitions that stay with their owner, so that a claim under an older map, made late, finds
 * them taken. Never lowers a generation.
 *
 * @param epochs of the owner, by partition number
 * @returns the partitions that are still at that epoch; all others are somebody else's
 */
export async function stampPartitions(
  knex: Knex,
  shard: ShardKey,
  epochs: ReadonlyMap<number, number>,
  generation: number,
): Promise<Set<number>> {
  if (epochs.size === 0) return new Set()
  return knex.transaction(async (trx) => {
    const rows = await lockPartitions(trx, shard, [...epochs.keys()])
    const kept = rows.filter((row) => epochs.get(row.number) === row.epoch)
    const older = kept.filter((row) => row.generation < generation)
    if (older.length > 0) {
      const stamped = rowList(
        ['number'],
        older.map((row) => [row.number]),
      )
      await trx.raw(
        `UPDATE ${stamped.sql} AS w STRAIGHT_JOIN partitions AS p FORCE INDEX (PRIMARY)
           ON p.slot = ? AND p.topology_version = ? AND p.number = w.number
         SET p.generation = ?`,
        [...stamped.bindings, shard.slot, shard.topologyVersion, generation],
      )
    }
    return new Set(kept.map((row) => row.number))
  })
}

/**
 * Where this consumer stands after a commit whose end it does not know: waits for the locks, hence for the end of
 * that transaction, then reads.
 *
 * @returns what is still owned, with the sequence as stored
 */
export async function recoverStakes(
  knex: Knex,
  shard: ShardKey,
  stakes: ReadonlyMap<number, Stake>,
): Promise<Map<number, Stake>> {
  const rows = await knex.transaction((trx) => lockPartitions(trx, shard, [...stakes.keys()]))
  return new Map(
    rows
      .filter((row) => stakes.get(row.number)?.epoch === row.epoch)
      .map((row) => [row.number, { epoch: row.epoch, sequence: row.sequence }]),
  )
}
