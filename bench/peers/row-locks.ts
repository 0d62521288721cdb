import type { Pool, PoolConnection } from 'mysql2/promise'
import { canMend, lists, readVerdict, verdictOf } from './book-seats.ts'
import { connectPool, withConnection } from './database.ts'
import {
  begin,
  commit,
  decisionIn,
  holdersIn,
  insertDecision,
  joined,
  lockSeats,
  rollback,
  selectDecision,
  selectHolders,
  takeSeats,
} from './statements.ts'
import { TakenSeats } from './taken-seats.ts'
import type { Peer, Verdict, Wish } from './wish.ts'

const CONNECTIONS = 32
const ATTEMPTS = 5

/**
 * Peer (b): `SELECT … FOR UPDATE` on the seats' rows of the catalogue, which are there whether or not a seat is taken;
 * then the look who has them, then the booking. Two round trips.
 */
export function createRowLocks(databaseUrl: string): Peer {
  const pool = connectPool(databaseUrl, CONNECTIONS)
  const taken = new TakenSeats()
  return { book: (wish) => book(pool, taken, wish), close: () => pool.end() }
}

async function book(pool: Pool, taken: TakenSeats, wish: Wish): Promise<Verdict> {
  const refused = taken.maybe(wish) ? await readVerdict(pool, taken, wish) : undefined
  if (refused !== undefined) return refused
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
  try {
    // Under READ COMMITTED each statement sees what is committed when it starts: here, once the locks are held.
    const [, holders, decisions] = await lists(
      connection,
      joined(begin, lockSeats(wish), selectHolders(wish), selectDecision(wish.slot, wish.requestId)),
    )
    const verdict = verdictOf(wish, taken, holdersIn(holders), decisionIn(decisions))
    const rest = verdict === undefined ? joined(takeSeats(wish), insertDecision(wish, []), commit) : rollback
    await connection.query(rest.sql, [...rest.values])
    return verdict ?? { kind: 'confirmed' }
  } catch (error) {
    if (!canMend(error)) throw error
    await connection.query(rollback.sql)
    return undefined
  }
}
