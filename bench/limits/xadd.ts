import { turnsEnd } from '../../functions/turns-end.ts'
import { encodeCommand } from '../../shared/commands.ts'
import { seatOf, type BookingPlan } from '../load/plan.ts'
import { connectRedis, redisReady } from '../../shared/redis/connect.ts'

/** As many as there are connections in the rows that this is compared with. */
const IN_FLIGHT = 256
const STREAMS = 64

/**
 * Entries like an accepted booking's, onto as many streams as there are partitions, each answered before the
 * next of its customer, the commands of one turn of the event loop in one write.
 *
 * @returns seconds
 */
export async function addEntries(redisUrl: string, plan: BookingPlan, count: number): Promise<number> {
  const redis = connectRedis({ url: redisUrl, tlsCaFile: undefined }, 'accept', () => undefined)
  try {
    await redisReady(redis, 10_000)
    const atTurnsEnd = turnsEnd(redis)
    let next = 0
    const started = performance.now()
    const customer = async (): Promise<void> => {
      while (next < count) {
        const request = next++
        const added = (): Promise<string | null> =>
          redis.xadd(`bench{0}s:${request % STREAMS}`, '*', ...fieldsOf(plan, request))
        await new Promise((resolve) => {
          atTurnsEnd(() => {
            resolve(added())
          })
        })
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, customer))
    return (performance.now() - started) / 1_000
  } finally {
    redis.disconnect()
  }
}

function fieldsOf(plan: BookingPlan, request: number): string[] {
  const { performanceId, sectionId, seatId } = seatOf(plan, request)
  return encodeCommand({
    kind: 'book',
    requestId: request.toString(16).padStart(36, '0'),
    customerId: `customer-${request}`,
    ...{ performanceId, sectionId, seatIds: [seatId] },
    fingerprint: 'f'.repeat(43),
    topologyVersion: 1,
    requestedAtUs: 1_790_000_000_000_000,
  })
}

/** Entries on those streams. */
export async function countEntries(redisUrl: string): Promise<number> {
  const redis = connectRedis({ url: redisUrl, tlsCaFile: undefined }, 'work', () => undefined)
  try {
    await redisReady(redis, 10_000)
    const lengths = await Promise.all(Array.from({ length: STREAMS }, (_, i) => redis.xlen(`bench{0}s:${i}`)))
    return lengths.reduce((sum, length) => sum + length, 0)
  } finally {
    redis.disconnect()
  }
}
