import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { BookCommand } from '../../shared/commands.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { slotOf, SLOT_COUNT, type Topology } from '../../shared/placement.ts'
import { redisKeys } from '../../shared/redis/keys.ts'
import { readTopology } from '../../shared/topology.ts'
import { KEY_PREFIX } from '../stage.ts'
import { insertBatch, type Booked } from './bulk-inserts.ts'

/**
 * Drains full streams as one writes it in an afternoon, and not slowly: a loop a shard that reads, looks into a set of taken
 * seats, inserts the same rows in transactions of the same size, then shows the outcomes and deletes the entries while the
 * next batch is under way. It trusts its entries and its memory, owns its streams alone, has no place in an order, and does
 * everything twice after a crash. What a drained decision of ours costs more than this is the price of what it promises.
 */
const BATCH = 500
const IDLE_MS = 20
const OUTCOME_MS = 600_000

const knex = connectMysql({ url: process.env['DATABASE_URL'] ?? '', tlsCaFile: undefined }, 'commit', 4)
const redis = new Redis(process.env['REDIS_URL'] ?? '', { enableAutoPipelining: true })

async function drainShard(topology: Topology, shard: number): Promise<void> {
  const keys = redisKeys(KEY_PREFIX, topology)
  const numbers = Array.from({ length: topology.partitionsPerShard }, (_, number) => number)
  const streams = numbers.map((number) => keys.stream({ shard, number }))
  const cursors = streams.map(() => '0-0')
  const perStream = Math.ceil(BATCH / streams.length)
  const taken = new Set<string>()
  const progress = [Math.ceil((shard * SLOT_COUNT) / topology.shards), topology.version]
  let settling: Promise<unknown> = Promise.resolve()
  for (let sequence = 0; ;) {
    const reply = await redis.xread('COUNT', perStream, 'STREAMS', ...streams, ...cursors)
    if (!reply) {
      await delay(IDLE_MS)
      continue
    }
    const batch: Booked[] = []
    const settle = redis.pipeline()
    for (const [stream, entries] of reply) {
      const number = streams.indexOf(stream)
      cursors[number] = entries.at(-1)?.[0] ?? '0-0'
      for (const [, [requestId = '', text = '']] of entries) {
        const command = JSON.parse(text) as BookCommand
        const { performanceId, sectionId, seatIds } = command
        const seat = `${performanceId}/${sectionId}/${seatIds[0]}`
        const isFree = !taken.has(seat)
        if (isFree) taken.add(seat)
        const place = [shard, number, ++sequence, 0]
        const decidedAtMs = Date.now()
        batch.push(rowsOf({ ...command, requestId }, isFree, place, decidedAtMs))
        const outcome = JSON.stringify({ ...command, requestId, status: statusOf(isFree), decidedAtMs })
        settle.set(keys.outcome(requestId), outcome, 'PX', OUTCOME_MS)
      }
      settle.xdel(stream, ...entries.map(([id]) => id))
    }
    batch.sort((a, b) => (String(a.decision[1]) < String(b.decision[1]) ? -1 : 1))
    await knex.transaction(async (trx) => {
      await insertBatch(trx, batch)
      await trx.raw(
        `INSERT INTO partitions (slot, topology_version, number, sequence) VALUES (?, ?, 0, ?)
         ON DUPLICATE KEY UPDATE sequence = sequence + VALUES(sequence)`,
        [...progress, batch.length],
      )
    })
    await settling
    settling = settle.exec()
  }
}

const statusOf = (isFree: boolean): string => (isFree ? 'CONFIRMED' : 'REJECTED')

function rowsOf(
  { requestId, customerId, performanceId, sectionId, seatIds, fingerprint, requestedAtUs }: BookCommand,
  isFree: boolean,
  place: readonly number[],
  decidedAtMs: number,
): Booked {
  const slot = slotOf(performanceId)
  const wish = [slot, requestId, 'book', customerId, performanceId, sectionId, seatIds.join(','), fingerprint]
  const reason = isFree ? [null, null] : ['SEAT_TAKEN', seatIds.join(',')]
  return {
    decision: [...wish, statusOf(isFree), ...reason, 1, ...place, requestedAtUs, decidedAtMs],
    seat: isFree ? [slot, performanceId, sectionId, seatIds[0] ?? '', requestId] : undefined,
  }
}

const topology = await readTopology(knex)
if (topology === undefined) throw new Error('The database has no topology yet.')
for (const event of ['SIGTERM', 'disconnect'] as const) process.on(event, () => process.exit(0))
console.log('{"ready":true}')
await Promise.all(Array.from({ length: topology.shards }, (_, shard) => drainShard(topology, shard)))
