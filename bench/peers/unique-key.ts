import { bookSeats } from './book-seats.ts'
import { connectPool } from './database.ts'
import { TakenSeats } from './taken-seats.ts'
import type { Peer } from './wish.ts'

const CONNECTIONS = 32

/** Peer (a): one transaction a request; the primary key of `booked_seats` refuses the second who wants a seat. */
export function createUniqueKey(databaseUrl: string): Peer {
  const pool = connectPool(databaseUrl, CONNECTIONS)
  const taken = new TakenSeats()
  return { book: (wish) => bookSeats(pool, taken, wish), close: () => pool.end() }
}
