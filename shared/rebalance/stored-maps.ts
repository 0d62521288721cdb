import type { Knex } from 'knex'
import { FrontrowError } from '../errors.ts'
import { errorFields, type Log } from '../log.ts'
import { classifyMysqlError } from '../mysql/errors.ts'
import type { Topology } from '../placement.ts'
import { decodeAssignment, encodeAssignment } from '../ring/encode-assignment.ts'
import type { PartitionMap } from './partition-map.ts'
import type { RebalanceReason } from './protocol.ts'

interface RebalanceRow {
  readonly generation: number
  readonly topology_version: number
  readonly assignment: string
}

/** Generations that are kept, for whoever wants to know what happened; the newest one is in force. */
const KEPT_GENERATIONS = 1_000
const DELETED_AT_ONCE = 100

/**
 * The newest map of a topology, and the highest generation of any. Generations are counted here and nowhere else:
 * Redis may lose everything, and they only grow. A row that cannot be read counts with its generation, so that the next
 * map goes over it: no row may stop the members for ever.
 */
export async function readNewestMap(
  knex: Knex,
  topology: Topology,
  log: Log,
): Promise<{ newest: PartitionMap | undefined; highest: number }> {
  const row = await knex<RebalanceRow>('rebalances').orderBy('generation', 'desc').first()
  if (row === undefined) return { newest: undefined, highest: 0 }
  const highest = row.generation
  if (row.topology_version !== topology.version) return { newest: undefined, highest }
  try {
    return { newest: mapOf(row), highest }
  } catch (error) {
    log.error({ generation: highest, ...errorFields(error) }, 'a stored map cannot be read')
    return { newest: undefined, highest }
  }
}

/**
 * Stores a map under its generation.
 *
 * @returns what is stored, read back
 * @throws FrontrowError GENERATION_TAKEN if there is one of that generation; then nothing has changed
 */
export async function storeMap(
  knex: Knex,
  topology: Topology,
  { generation, assignment }: PartitionMap,
  reason: RebalanceReason,
  nowMs: number,
): Promise<PartitionMap> {
  try {
    await knex('rebalances').insert({
      generation,
      topology_version: topology.version,
      members: JSON.stringify(assignment.members),
      assignment: encodeAssignment(assignment),
      reason,
      created_at_ms: nowMs,
    })
  } catch (error) {
    if (classifyMysqlError(error) !== 'duplicate') throw error
    throw new FrontrowError('GENERATION_TAKEN', `generation ${generation} is another member's`)
  }
  const row = await knex<RebalanceRow>('rebalances').where({ generation }).first()
  if (row === undefined) throw new FrontrowError('GENERATION_TAKEN', `generation ${generation} is gone`)
  await forgetOldGenerations(knex, generation)
  return mapOf(row)
}

/** The map is stored by then: what fails here is done after the next one. */
async function forgetOldGenerations(knex: Knex, newest: number): Promise<void> {
  await knex('rebalances')
    .where('generation', '<=', newest - KEPT_GENERATIONS)
    .limit(DELETED_AT_ONCE)
    .delete()
    .catch(() => 0)
}

function mapOf(row: RebalanceRow): PartitionMap {
  return { generation: row.generation, assignment: decodeAssignment(row.assignment) }
}
