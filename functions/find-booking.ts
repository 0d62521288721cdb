import { bookingSchema, type Booking } from '../shared/outcomes.ts'
import { shardOfSlot } from '../shared/placement.ts'
import { slotOfRequestId } from '../shared/request-id.ts'
import { isMysqlAway } from './mysql-gate.ts'
import type { Ports } from './ports.ts'
import { readBookings, readDeadLetter } from './read-bookings.ts'
import type { Placement } from './topology-keeper.ts'

/**
 * - `absent`: there is no such booking of this customer
 * - `unknown`: what would have to be asked is away
 */
export type Found =
  | { readonly kind: 'found'; readonly booking: Booking }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown' }

/** From then on MySQL is asked too: the consumer may have committed and died before it could show the outcome. */
const PENDING_TRUSTED_MS = 1_500

const ABSENT: Found = { kind: 'absent' }
const UNKNOWN: Found = { kind: 'unknown' }

/**
 * A customer's booking: Redis first, MySQL as the truth behind it. A foreign one is absent.
 *
 * @param requestId well-formed
 */
export async function findBooking(ports: Ports, requestId: string, customerId: string): Promise<Found> {
  const shown = await shownByRedis(ports, requestId)
  const booking = shown === 'away' ? undefined : shown.booking
  if (booking !== undefined && booking.customerId !== customerId) return ABSENT
  if (booking !== undefined && !isOverdue(booking, ports.clock.nowMs())) return { kind: 'found', booking }

  let stored: Booking | undefined
  try {
    stored = await storedInMysql(ports, requestId, booking)
  } catch (error) {
    if (!isMysqlAway(error)) throw error
    return booking === undefined ? UNKNOWN : { kind: 'found', booking }
  }
  const best = stored ?? booking
  if (best === undefined) return shown === 'away' ? UNKNOWN : ABSENT
  return best.customerId === customerId ? { kind: 'found', booking: best } : ABSENT
}

/** The same, once it is decided; undefined before, and where nobody can tell. */
export async function findDecided(
  ports: Ports,
  requestId: string,
  customerId: string,
): Promise<Booking | undefined> {
  const found = await findBooking(ports, requestId, customerId)
  return found.kind === 'found' && found.booking.status !== 'PENDING' ? found.booking : undefined
}

function isOverdue(booking: Booking, nowMs: number): boolean {
  return booking.status === 'PENDING' && nowMs - booking.requestedAtUs / 1_000 > PENDING_TRUSTED_MS
}

type Shown = 'away' | { readonly booking: Booking | undefined }

/** What the outcome key says. Read together with the shard's mark: under another topology the key is another one. */
async function shownByRedis(ports: Ports, requestId: string): Promise<Shown> {
  const { topology } = ports
  const placement = topology.current ?? (await topology.get())
  const shown = await shownUnder(ports, placement, requestId)
  if (shown !== 'elsewhere') return shown
  await topology.load()
  const again = await shownUnder(ports, topology.current, requestId)
  return again === 'elsewhere' ? 'away' : again
}

async function shownUnder(
  ports: Ports,
  placement: Placement | undefined,
  requestId: string,
): Promise<Shown | 'elsewhere'> {
  if (placement === undefined || ports.redis.status !== 'ready') return 'away'
  const shard = shardOfSlot(placement.topology, slotOfRequestId(requestId))
  try {
    const { outcome, mark } = await ports.readOutcome(placement, shard, requestId)
    // Absence of a mark is no other mark: Redis forgot it, and reading goes on in MySQL without it.
    if (mark !== null && mark !== placement.mark) return 'elsewhere'
    return { booking: outcome === null ? undefined : parseOutcome(outcome) }
  } catch {
    return 'away'
  }
}

/** The outcome key's value; undefined if it is none, which sends the reader to MySQL. */
export function parseOutcome(json: string): Booking | undefined {
  try {
    return bookingSchema.safeParse(JSON.parse(json)).data
  } catch {
    return undefined
  }
}

async function storedInMysql(
  ports: Ports,
  requestId: string,
  shown: Booking | undefined,
): Promise<Booking | undefined> {
  const [stored] = await ports.mysql.ask((knex) => readBookings(knex, [requestId]))
  if (stored !== undefined) return stored
  const letter = await ports.mysql.ask((knex) => readDeadLetter(knex, requestId))
  if (letter === undefined) return undefined
  const customerId = shown?.customerId ?? (await rememberedCustomer(ports, requestId))
  return letter.customerId === customerId ? letter : undefined
}

/** Whose request it is, by the record in Redis: it outlives the outcome. */
async function rememberedCustomer(ports: Ports, requestId: string): Promise<string | undefined> {
  const placement = ports.topology.current
  if (placement === undefined || ports.redis.status !== 'ready') return undefined
  try {
    return (await ports.redis.hget(placement.keys.record(requestId), 'customerId')) ?? undefined
  } catch {
    return undefined
  }
}
