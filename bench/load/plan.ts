import { seatAt, seatCount, type House, type Seat } from './house.ts'

/** What a load asks for; its requests are numbered, and the same number is the same request each time. */
export type Plan =
  /** One path, again and again. */
  | { readonly kind: 'get'; readonly path: string }
  /** A JSON body to one path, again and again. */
  | { readonly kind: 'post'; readonly path: string }
  | BookingPlan
  /** The bookings of an earlier load, by their ids. */
  | { readonly kind: 'status'; readonly historyFile: string }
  /** The sections of a house in turn, each by customers who may have its present version. */
  | { readonly kind: 'seat-map'; readonly house: House; readonly conditional: boolean }

export interface BookingPlan {
  readonly kind: 'book'
  readonly house: House
  /** `once`: every seat by one request. `random`: any seat by any request, which is how a hot sale looks. */
  readonly seats: 'once' | 'random'
  /** Keeps the Idempotency-Keys of loads apart. */
  readonly keys: string
  /** Every how manyth customer gives a confirmed booking back. */
  readonly cancelEvery?: number
}

/** Seat number of a request. */
export function seatOf({ house, seats }: BookingPlan, request: number): Seat {
  return seatAt(house, seats === 'once' ? request : scattered(request) % seatCount(house))
}

export function cancels({ cancelEvery }: BookingPlan, request: number): boolean {
  return cancelEvery !== undefined && request % cancelEvery === 0
}

/** A whole number of 32 bits that looks random and is the same for the same input (the finaliser of MurmurHash3). */
function scattered(number: number): number {
  let h = number ^ 0x9e3779b9
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Customers take turns, so that the same customer does not ask twice at a time. */
export function customerOf(request: number, customers: number): number {
  return request % customers
}

/** Of a section's path, as the seat-map loads ask for it. */
export function sectionPath({ performanceIds, sections }: House, request: number): string {
  const performanceId = performanceIds[request % performanceIds.length] ?? ''
  const section = Math.floor(request / performanceIds.length) % sections
  return `/performances/${performanceId}/sections/S${section}/seats`
}
