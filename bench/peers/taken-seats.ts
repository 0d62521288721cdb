import { LRUCache } from 'lru-cache'
import type { Wish } from './wish.ts'

const REMEMBERED_SEATS = 200_000

/**
 * Seats that were seen taken. Only a hint: whoever asks for one gets a read before anything is tried, and the read
 * decides. So a seat that everybody wants costs one read, and a seat that is free costs none.
 */
export class TakenSeats {
  private readonly seen = new LRUCache<string, true>({ max: REMEMBERED_SEATS })

  maybe(wish: Wish): boolean {
    return wish.seatIds.some((seatId) => this.seen.has(keyOf(wish, seatId)))
  }

  note(wish: Wish, seatIds: readonly string[]): void {
    for (const seatId of seatIds) this.seen.set(keyOf(wish, seatId), true)
  }
}

function keyOf({ performanceId, sectionId }: Wish, seatId: string): string {
  return `${performanceId}/${sectionId}/${seatId}`
}
