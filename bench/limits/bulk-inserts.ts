import type { Knex } from 'knex'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { slotOf } from '../../shared/placement.ts'
import { seatOf, type BookingPlan } from '../load/plan.ts'

/** What a consumer decides in one transaction at most, unless told otherwise. */
const BATCH = 500
/** A loop each, as a consumer has one a shard. */
const SHARDS = 4

type Row = readonly (string | number | null)[]

/** The values of a decided booking's rows, in the order of `insertBatch`'s columns. */
export interface Booked {
  readonly decision: Row
  /** Undefined: rejected. */
  readonly seat: Row | undefined
}

/**
 * The very rows of decided bookings, made beforehand, in transactions as large and as many at a time as a consumer's, with
 * nothing checked, nothing read and nothing locked.
 *
 * @returns seconds
 */
export async function insertRows(databaseUrl: string, plan: BookingPlan, count: number): Promise<number> {
  const knex = connectMysql({ url: databaseUrl, tlsCaFile: undefined }, 'commit', SHARDS)
  try {
    const batches = batchesOf(plan, count)
    // Connections are made at first use.
    await Promise.all(batches.map(() => knex.raw('SELECT SLEEP(0.01)')))
    const started = performance.now()
    await Promise.all(
      batches.map(async (own) => {
        for (const batch of own) await knex.transaction((trx) => insertBatch(trx, batch))
      }),
    )
    return (performance.now() - started) / 1_000
  } finally {
    await knex.destroy()
  }
}

/** By shard; a batch in the order of its decisions' key, as a consumer writes it. */
function batchesOf(plan: BookingPlan, count: number): Booked[][][] {
  const shards: Booked[][][] = Array.from({ length: SHARDS }, () => [])
  for (let request = 0; request < count; request++) {
    const own = shards[request % SHARDS]
    if (own?.at(-1)?.length === BATCH || own?.length === 0) own.push([])
    own?.at(-1)?.push(bookedRow(plan, request))
  }
  for (const batch of shards.flat()) batch.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  return shards
}

const idOf = ({ decision }: Booked): string => String(decision[1])

function bookedRow(plan: BookingPlan, request: number): Booked {
  const { performanceId, sectionId, seatId } = seatOf(plan, request)
  const slot = slotOf(performanceId)
  // Scattered as hashes are: rows that come in the order of their key are much cheaper to insert.
  const scattered = Array.from({ length: 4 }, (_, i) =>
    ((Math.imul(request + 1, 0x9e3779b1) ^ Math.imul(request + i + 1, 0x85ebca6b)) >>> 0)
      .toString(16)
      .padStart(8, '0'),
  )
  const requestId = slot.toString(16).padStart(4, '0') + scattered.join('')
  const places = [0, request % SHARDS, request + 1, 1]
  return {
    decision: [
      ...[
        slot,
        requestId,
        'book',
        `customer-${request % 1_000}`,
        performanceId,
        sectionId,
        seatId,
        'f'.repeat(43),
      ],
      ...['CONFIRMED', null, null, 1, ...places, 1_790_000_000_000_000 + request, 1_790_000_000_000],
    ],
    seat: [slot, performanceId, sectionId, seatId, requestId],
  }
}

export async function insertBatch(trx: Knex.Transaction, batch: readonly Booked[]): Promise<void> {
  await trx.raw(
    `INSERT INTO decisions (slot, request_id, command, customer_id, performance_id, section_id, seat_ids, fingerprint,
       status, reason, reason_seat_ids, performance_version, shard, partition_number, sequence, epoch,
       requested_at_us, decided_at_ms) VALUES ?`,
    [batch.map(({ decision }) => decision)] as never,
  )
  const seats = batch.map(({ seat }) => seat).filter((seat) => seat !== undefined)
  if (seats.length === 0) return
  await trx.raw('INSERT INTO booked_seats (slot, performance_id, section_id, seat_id, request_id) VALUES ?', [
    seats,
  ] as never)
}
