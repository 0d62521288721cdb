import type { Pool, PoolConnection } from 'mysql2/promise'
import { classifyMysqlError } from '../../shared/mysql/errors.ts'
import { readLists, withConnection, type Database, type Holder } from './database.ts'
import {
  begin,
  commit,
  decisionIn,
  holdersIn,
  insertDecision,
  joined,
  rollback,
  selectDecision,
  selectHolders,
  takeSeats,
  type Statement,
  type StoredDecision,
} from './statements.ts'
import type { TakenSeats } from './taken-seats.ts'
import type { Verdict, Wish } from './wish.ts'

/** A deadlock's victim, or a sequence that was hit upon twice. More often than that, the database is in trouble. */
const ATTEMPTS = 5

/**
 * One transaction, in one round trip, in which the primary key of `booked_seats` decides. A seat that was seen taken
 * gets one read first: a read before every booking would cost each free seat a round trip more.
 */
export async function bookSeats(pool: Pool, taken: TakenSeats, wish: Wish): Promise<Verdict> {
  const refused = taken.maybe(wish) ? await readVerdict(pool, taken, wish) : undefined
  return refused ?? (await transact(pool, taken, wish))
}

/** What is to be said without trying; undefined if the seats are free. */
export async function readVerdict(
  database: Database,
  taken: TakenSeats,
  wish: Wish,
): Promise<Verdict | undefined> {
  const { sql, values } = selectHolders(wish)
  // One statement: one list, which is not in a list of lists.
  const [rows] = await database.query(sql, [...values])
  return verdictOf(wish, taken, rows as Holder[], undefined)
}

/** @returns undefined if nothing stands against the booking */
export function verdictOf(
  wish: Wish,
  taken: TakenSeats,
  holders: readonly Holder[],
  decision: StoredDecision | undefined,
): Verdict | undefined {
  if (decision !== undefined && decision.fingerprint !== wish.fingerprint) return { kind: 'key-reused' }
  if (decision?.status === 'CONFIRMED') return { kind: 'confirmed' }
  if (holders.length === 0) return undefined
  const seatIds = holders.map(({ seatId }) => seatId)
  taken.note(wish, seatIds)
  const isOwn = holders.every(({ requestId }) => requestId === wish.requestId)
  return isOwn && holders.length === wish.seatIds.length ? { kind: 'confirmed' } : { kind: 'taken', seatIds }
}

async function transact(pool: Pool, taken: TakenSeats, wish: Wish): Promise<Verdict> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const verdict = await withConnection(pool, (connection) => attemptOn(connection, taken, wish))
    if (verdict !== undefined) return verdict
  }
  return { kind: 'busy' }
}

async function attemptOn(
  connection: PoolConnection,
  taken: TakenSeats,
  wish: Wish,
): Promise<Verdict | undefined> {
  // Seats first: where they are taken, nothing else has been written.
  const { sql, values } = joined(begin, takeSeats(wish), insertDecision(wish, []), commit)
  try {
    await connection.query(sql, [...values])
    return { kind: 'confirmed' }
  } catch (error) {
    if (!canMend(error)) throw error
  }
  const [holders, decisions] = await lists(
    connection,
    joined(rollback, selectHolders(wish), selectDecision(wish.slot, wish.requestId)),
  )
  return verdictOf(wish, taken, holdersIn(holders), decisionIn(decisions))
}

/** Stores a refusal as well, for whoever asks for the outcome later. */
export async function storeRefusal(pool: Pool, wish: Wish, seatIds: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { sql, values } = insertDecision(wish, seatIds)
    try {
      await pool.query(sql, [...values])
      return
    } catch (error) {
      if (attempt === ATTEMPTS || !canMend(error)) throw error
    }
    const stored = selectDecision(wish.slot, wish.requestId)
    const [rows] = await pool.query(stored.sql, [...stored.values])
    if ((rows as unknown[]).length > 0) return
  }
}

export const lists = (database: Database, { sql, values }: Statement): ReturnType<typeof readLists> =>
  readLists(database, sql, values)

/** A key that refused, or a server that says "again"; a connection that is lost cannot be asked again. */
export function canMend(error: unknown): boolean {
  const { fatal } = error as { readonly fatal?: boolean }
  return fatal !== true && classifyMysqlError(error) !== 'data'
}
