import { bookSeats } from './book-seats.ts'
import { connectPool } from './database.ts'
import { TakenSeats } from './taken-seats.ts'
import type { Peer } from './wish.ts'

/** Tried with 8, 16, 32 and 64: no difference beyond the spread of repeated runs; the server commits in groups. */
const CONNECTIONS = 32

/**
 * Peer (a): one transaction a request; the primary key of `booked_seats` refuses the second who wants a seat. A third of
 * the process's time goes into writing to the two sockets, the database's and the client's, which is the least there is
 * with one round trip to each.
 */
export function createUniqueKey(databaseUrl: string): Peer {
  const pool = connectPool(databaseUrl, CONNECTIONS)
  const taken = new TakenSeats()
  return { book: (wish) => bookSeats(pool, taken, wish), close: () => pool.end() }
}
