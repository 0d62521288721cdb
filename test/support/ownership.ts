import type { Deployment } from './deployment.ts'
import type { BundleProcess } from './processes.ts'
import { until } from './until.ts'

/** A row of `rebalances`, as plain SQL reads it. */
export interface StoredMap {
  readonly generation: number
  readonly reason: string
  readonly members: readonly string[]
  /** By partition, counted through all shards. */
  readonly owners: readonly string[]
}

/** A row of `partitions`. */
export interface StoredPartition {
  readonly owner: string | null
  readonly epoch: number
  readonly generation: number
  readonly sequence: number
}

/** Every map there was, oldest first. */
export async function storedMaps({ knex }: Deployment): Promise<readonly StoredMap[]> {
  const [rows] = (await knex.raw(
    'SELECT generation, reason, assignment FROM rebalances ORDER BY generation',
  )) as [{ generation: number; reason: string; assignment: string }[]]
  return rows.map(({ generation, reason, assignment }) => {
    const { members, owners } = JSON.parse(assignment) as { members: string[]; owners: number[] }
    return { generation, reason, members, owners: owners.map((owner) => members[owner] ?? '') }
  })
}

export async function newestMap(deployment: Deployment): Promise<StoredMap> {
  return (
    (await storedMaps(deployment)).at(-1) ?? { generation: 0, reason: 'none yet', members: [], owners: [] }
  )
}

/** The partitions, counted through all shards. */
export async function storedPartitions({ knex }: Deployment): Promise<readonly StoredPartition[]> {
  const [rows] = (await knex.raw(
    'SELECT owner, epoch, generation, sequence FROM partitions ORDER BY slot, number',
  )) as [StoredPartition[]]
  return rows
}

/** Whether every partition is its owner's by the newest map, which names just these consumers. */
async function isShared(deployment: Deployment, consumers: readonly BundleProcess[]): Promise<boolean> {
  const { generation, members, owners } = await newestMap(deployment)
  const names = consumers.map(({ memberName }) => memberName).sort()
  if (names.join() !== [...members].sort().join()) return false
  const rows = await storedPartitions(deployment)
  return rows.every((row, i) => row.owner === owners[i] && row.generation === generation)
}

/** Waits until just these consumers share the partitions. @throws with what is stored instead */
export async function untilShared(
  deployment: Deployment,
  consumers: readonly BundleProcess[],
  timeoutMs = 20_000,
): Promise<void> {
  try {
    await until(() => isShared(deployment, consumers), timeoutMs)
  } catch {
    const { generation, members } = await newestMap(deployment)
    const rows = await storedPartitions(deployment)
    throw new Error(
      `after ${timeoutMs} ms generation ${generation} names ${members.join(', ')}; the rows say ` +
        [...new Set(rows.map((row) => `${row.owner ?? 'nobody'} (${row.generation})`))].join(', '),
    )
  }
}

/** The partitions whose owner is another one in any of some maps than in the one before it. */
export function movedPartitions(maps: readonly StoredMap[]): ReadonlySet<number> {
  const moved = new Set<number>()
  for (let i = 1; i < maps.length; i++) {
    maps[i]?.owners.forEach((owner, partition) => {
      if (owner !== maps[i - 1]?.owners[partition]) moved.add(partition)
    })
  }
  return moved
}
