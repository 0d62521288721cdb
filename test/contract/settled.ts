import type { FunctionServer, Wish } from '../support/function-server.ts'
import type { Booking, DecidedStatus, ReasonCode } from '../../shared/outcomes.ts'
import { decodeFields } from '../../shared/commands.ts'
import { slotOf } from '../../shared/placement.ts'
import { fingerprintOf, slotOfRequestId } from '../../shared/request-id.ts'

/** What the contract says of decided bookings is tested without a consumer: these write what it would have written. */

export interface Decided {
  readonly requestId: string
  readonly customerId: string
  readonly wish: Wish
  readonly command?: 'book' | 'cancel'
  readonly status?: DecidedStatus
  readonly reason?: ReasonCode
  readonly reasonSeatIds?: readonly string[]
  readonly requestedAtUs?: number
}

let sequence = 0

/** A row of `decisions`, newer than all before. */
export async function storeDecision(server: FunctionServer, decided: Decided): Promise<void> {
  const { requestId, customerId, wish, command = 'book', status, reason, reasonSeatIds } = decided
  sequence++
  await server.knex('decisions').insert({
    slot: slotOfRequestId(requestId),
    request_id: requestId,
    command,
    customer_id: customerId,
    performance_id: wish.performanceId,
    section_id: wish.sectionId,
    seat_ids: wish.seatIds.join(','),
    fingerprint: command === 'book' ? fingerprintOf(wish) : null,
    status: status ?? null,
    reason: reason ?? null,
    reason_seat_ids: reasonSeatIds?.join(',') ?? null,
    performance_version: 1,
    shard: 0,
    partition_number: 0,
    sequence,
    epoch: 1,
    requested_at_us: decided.requestedAtUs ?? Date.now() * 1_000,
    decided_at_ms: Date.now(),
  })
}

/** The outcome of a request in Redis, as settling shows it: record, outcome, and the entry gone. */
export async function showOutcome(
  server: FunctionServer,
  requestId: string,
  change: Pick<Booking, 'status'> & Partial<Booking>,
): Promise<void> {
  const key = server.keys.outcome(requestId)
  const pending = JSON.parse((await server.redis.get(key)) ?? '{}') as Booking
  await server.redis.set(
    key,
    JSON.stringify({ ...pending, decidedAtMs: Date.now(), ...change }),
    'PX',
    600_000,
  )
  await server.redis.hset(server.keys.record(requestId), { status: change.status, place: '1' })
}

/** All commands on the streams of a deployment. */
export async function streamed(server: FunctionServer): Promise<Record<string, unknown>[]> {
  const { shards, partitionsPerShard } = server.topology
  const commands: Record<string, unknown>[] = []
  for (let shard = 0; shard < shards; shard++) {
    for (let number = 0; number < partitionsPerShard; number++) {
      for (const [, fields] of await server.redis.xrange(server.keys.stream({ shard, number }), '-', '+')) {
        commands.push(decodeFields(fields) as Record<string, unknown>)
      }
    }
  }
  return commands
}

/** Shard of a performance in a deployment. */
export function shardOf(server: FunctionServer, performanceId: string): number {
  return Math.floor((slotOf(performanceId) * server.topology.shards) / 16_384)
}
