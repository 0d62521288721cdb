import type { HashRing } from './hash-ring.ts'

/**
 * Walks a ring clockwise to the first node whose member has room. Members may become full in between, but never get
 * room again: nodes that were passed once are skipped from then on, so a walk among many full members stays short.
 */
export class ClockwiseWalk {
  private readonly ring: HashRing
  private readonly isFull: (member: number) => boolean
  /** By rank: the next node that may have room. All between are full. */
  private readonly next: Uint32Array

  constructor(ring: HashRing, isFull: (member: number) => boolean) {
    this.ring = ring
    this.isFull = isFull
    this.next = Uint32Array.from({ length: ring.size }, (_, rank) => (rank + 1) % ring.size)
  }

  /** The first member with room at or after a position; undefined if all are full. */
  firstFrom(position: number): number | undefined {
    let rank = this.ring.rankFrom(position)
    // Once round at most: pointers lead ahead, and never past a node with room.
    for (let steps = 0; steps < this.ring.size; steps++) {
      if (!this.isFullAt(rank)) return this.ring.memberAt(rank)
      // Halving the path (Tarjan, van Leeuwen 1984): each full node points beyond the full one behind it.
      const ahead = this.nextOf(rank)
      if (this.isFullAt(ahead)) this.next[rank] = this.nextOf(ahead)
      rank = this.nextOf(rank)
    }
    return undefined
  }

  private isFullAt(rank: number): boolean {
    return this.isFull(this.ring.memberAt(rank))
  }

  private nextOf(rank: number): number {
    return this.next[rank] ?? 0
  }
}
