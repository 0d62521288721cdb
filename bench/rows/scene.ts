import type { Act, Served } from '../act.ts'
import { checkBookings, lostOf } from '../checks/check-bookings.ts'
import { readDecisions, readSeats, readWholeHistory } from '../checks/read-truth.ts'
import { houseOf, putHouse } from '../house-of.ts'
import type { House } from '../load/house.ts'
import type { LoadReport, Until } from '../load/job.ts'
import type { BookingPlan } from '../load/plan.ts'
import type { Measured } from '../row.ts'
import { customerName, type Stage } from '../stage.ts'

/** How much of everything. */
export interface Size {
  /** Requests of a row at most. */
  readonly count: number
  /** A row that is slow ends earlier. */
  readonly seconds: number
  readonly warmUp: number
  /** Requests for the hot seats. */
  readonly hot: number
  readonly drain: number
  readonly crowdSeconds: number
}

export interface Houses {
  /** A seat for every request. */
  readonly distinct: House
  /** 200 seats. */
  readonly hot: House
  /** For what is cancelled, and for crowds. */
  readonly mixed: House
  readonly warm: House
}

/** What a row is measured with. */
export interface Scene {
  readonly act: Act
  readonly size: Size
  readonly houses: Houses
}

export type Row = (scene: Scene) => Promise<Omit<Measured, 'row'>>

/** As many as shards, so that all have the same to do. */
const PERFORMANCES = 4
const SECTIONS = 50
const SEATS_PER_ROW = 20
const MAX_ROWS = 15

/** Puts the houses on sale that rows of this size need. */
export async function buildHouses(stage: Stage, { count, drain }: Size): Promise<Houses> {
  const rowsNeeded = Math.ceil(Math.max(count, drain) / PERFORMANCES / SECTIONS / SEATS_PER_ROW)
  const rows = Math.min(rowsNeeded, MAX_ROWS)
  const performances = PERFORMANCES * Math.ceil(rowsNeeded / MAX_ROWS)
  const houses: Houses = {
    distinct: houseOf('distinct', performances, { sections: SECTIONS, rows, seatsPerRow: SEATS_PER_ROW }),
    hot: houseOf('hot', 1, { sections: 4, rows: 5, seatsPerRow: 10 }),
    mixed: houseOf('mixed', PERFORMANCES, { sections: 10, rows: 10, seatsPerRow: 10 }),
    warm: houseOf('warm', PERFORMANCES, { sections: 10, rows: 10, seatsPerRow: 50 }),
  }
  for (const house of Object.values(houses) as House[]) await putHouse(stage.knex, house)
  return houses
}

/** Connections and customers of a closed loop. A customer who polls sends rarely, so many of them share a connection. */
export const CONNECTIONS: Readonly<Record<Until, number>> = { answer: 256, waited: 512, polled: 256 }
const CUSTOMERS: Readonly<Record<Until, number>> = { answer: 256, waited: 512, polled: 2_048 }

export function distinctPlan({ houses }: Scene): BookingPlan {
  return { kind: 'book', house: houses.distinct, seats: 'once', keys: 'distinct' }
}

export const requests = ({ size }: Scene): number => size.count

/** 20,000 requests for 200 seats, or fewer requests. */
export const hotPlan = ({ houses }: Scene): BookingPlan => ({
  kind: 'book',
  house: houses.hot,
  seats: 'random',
  keys: 'hot',
})
export const hotRequests = ({ size }: Scene): number => size.hot

/** Many ask for few seats, and every third who gets one gives it back. */
export const mixedPlan = ({ houses }: Scene): BookingPlan => ({
  ...{ kind: 'book', house: houses.mixed, seats: 'random', keys: 'mixed', cancelEvery: 3 },
})

const WARM_UP_SECONDS = 10

/** Lets a server compile what it will run, on seats that nobody looks at. Answers with how many requests it took. */
export async function warmUp({ act, size, houses }: Scene, server: Served, until: Until): Promise<number> {
  const { sent } = await act.load({
    ports: [server.port],
    plan: { kind: 'book', house: houses.warm, seats: 'random', keys: 'warm' },
    pace: { kind: 'closed', customers: CUSTOMERS[until] },
    connections: CONNECTIONS[until],
    until,
    count: size.warmUp,
    // All of it, however slow: of two servers neither may be measured colder than the other.
    seconds: WARM_UP_SECONDS,
  })
  return sent
}

/** Customers ask as fast as they are answered. */
export function closedLoop(
  { act, size }: Scene,
  server: Served,
  plan: BookingPlan,
  until: Until,
  count: number = size.count,
): Promise<LoadReport> {
  return act.load({
    ports: [server.port],
    plan,
    pace: { kind: 'closed', customers: CUSTOMERS[until] },
    connections: CONNECTIONS[until],
    until,
    count,
    seconds: size.seconds,
    historyFile: act.historyFile,
  })
}

export interface Verdict {
  readonly wrong: string[]
  /** Promised, and nowhere to be found. */
  readonly lost: number
}

/** Compares what customers were told with what the tables say, when all is settled. */
export async function judge({ act }: Scene, plan: BookingPlan, { ordered = true } = {}): Promise<Verdict> {
  const { knex, tokens } = act.stage
  const { performanceIds } = plan.house
  const history = await readWholeHistory(act.historyFile)
  const decisions = await readDecisions(knex, performanceIds)
  const seats = await readSeats(knex, performanceIds)
  const wrong = checkBookings({
    ...{ plan, customers: tokens.length, customerName, history, decisions, seats, ordered },
  })
  return { wrong, lost: lostOf({ history, decisions }) }
}

/** Requests that came to an end that a customer can do something with. */
export function answered({ told }: LoadReport, ...ends: readonly string[]): number {
  return ends.reduce((sum, end) => sum + (told[end] ?? 0), 0)
}
