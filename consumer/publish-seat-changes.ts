import { errorFields, type Log } from '../shared/log.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import type { RedisKeys } from '../shared/redis/keys.ts'
import type { Scripts } from '../shared/redis/scripts.ts'
import type { SeatChange } from '../shared/seat-changes.ts'
import type { Batch, SeatRow } from './decide-batch.ts'

/** Batches of which a client that lost its connection can still hear; beyond that it loads the seat map anew. */
const ENTRIES_KEPT = 512
/** After a shard has been quiet for that long nobody waits for the rest of what was told. */
const KEPT_MS = 3_600_000

interface PublishContext {
  readonly scripts: Scripts
  readonly keys: RedisKeys
  readonly topology: Topology
  readonly shard: number
  readonly log: Log
}

interface Told {
  readonly before: number
  readonly after: number
  readonly changes: SeatChange[]
}

/**
 * After commit: tells what became of the seats to those who watch. Best effort: what cannot be told now is known as a gap
 * with the next batch, because the places in the order no longer follow on each other.
 */
export async function publishSeatChanges(
  batch: Batch,
  refused: ReadonlySet<number>,
  { scripts, keys, topology, shard, log }: PublishContext,
): Promise<void> {
  const told = toldOf(batch, refused, topology)
  if (told.size === 0) return
  const args = [...told].flatMap(([partition, { before, after, changes }]) => [
    partition,
    before,
    after,
    changes.map((change) => JSON.stringify(change)).join(','),
  ])
  try {
    await scripts.publishSeats(
      [keys.seatChanges(shard), keys.seatChangesTold(shard)],
      [told.size, ...args, ENTRIES_KEPT, KEPT_MS],
    )
  } catch (error) {
    log.debug({ shard, ...errorFields(error) }, 'seat changes not told')
  }
}

function toldOf(batch: Batch, refused: ReadonlySet<number>, topology: Topology): Map<number, Told> {
  const told = new Map<number, Told>()
  for (const [partition, { before, after }] of batch.stakes) {
    if (!refused.has(partition)) told.set(partition, { before, after, changes: [] })
  }
  for (const change of changesOf(batch)) {
    told.get(partitionOf(topology, change.performanceId, change.sectionId).number)?.changes.push(change)
  }
  for (const { entry, stored } of batch.repeats) {
    // Committed by somebody who may not have lived to tell: if it was not told, there is a gap.
    const known = told.get(entry.partition)
    if (known === undefined || (known.before === known.after && known.after < stored.sequence)) {
      told.set(entry.partition, { before: stored.sequence, after: stored.sequence, changes: [] })
    }
  }
  return told
}

/** The net changes of a batch by section. A seat that was given back and taken again is taken. */
function changesOf(batch: Batch): SeatChange[] {
  const sections = new Map<string, SeatChange>()
  const sectionOf = ({ performanceId, sectionId }: SeatRow): SeatChange => {
    const name = `${performanceId}/${sectionId}`
    let change = sections.get(name)
    if (change === undefined)
      sections.set(name, (change = { performanceId, sectionId, freed: [], taken: [] }))
    return change
  }
  for (const row of batch.taken) sectionOf(row).taken.push(row.seatId)
  const taken = new Set(batch.taken.map(seatName))
  for (const row of batch.freed) {
    if (!taken.has(seatName(row))) sectionOf(row).freed.push(row.seatId)
  }
  return [...sections.values()]
}

function seatName({ performanceId, sectionId, seatId }: SeatRow): string {
  return `${performanceId}/${sectionId}/${seatId}`
}
