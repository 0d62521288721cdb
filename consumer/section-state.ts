import { FREE, type SeatHolders } from './seat-holders.ts'

/** What `decide` needs to know of a performance. Times in milliseconds since 1970 UTC. */
export interface PerformanceTerms {
  /** The catalogue version these terms are of. */
  readonly version: number
  readonly startsAtMs: number
  readonly saleOpensAtMs: number | undefined
  readonly saleClosesAtMs: number | undefined
}

/** What `decide` may ask of a section. */
export interface SectionView {
  /** Undefined: there is no such performance. */
  readonly terms: PerformanceTerms | undefined
  /** False: the performance has no such section. */
  readonly exists: boolean
  /** Undefined where there is no such seat. */
  isFree(seatId: string): boolean | undefined
  /** The seats that a request holds now; undefined if it holds none. */
  seatsOf(requestId: string): readonly string[] | undefined
}

/** A decision's effect on a section: a request takes its seats, or gives them back. */
export interface SeatChange {
  readonly kind: 'take' | 'free'
  readonly requestId: string
  readonly seatIds: readonly string[]
}

/** The difference that a batch makes to one seat, once committed. */
export interface NetSeatChange {
  readonly seatId: string
  /** Request ids, or FREE. They differ. */
  readonly before: string
  readonly after: string
}

const SECTION_WEIGHT = 16

interface Overlay {
  /** Holders that differ from what lies below. */
  readonly holders: Map<string, string>
  /** Seats of requests; undefined: the request holds none any more. */
  readonly bookings: Map<string, readonly string[] | undefined>
}

export interface SectionContents {
  readonly terms: PerformanceTerms | undefined
  readonly exists: boolean
  readonly holders: SeatHolders
}

/**
 * One section in memory: what is committed, and above it one overlay for each batch that is decided but
 * not yet committed. Reading goes from the newest overlay down. A batch that commits is merged into
 * what lies below; one that fails is thrown away, together with those above it.
 */
export class SectionState implements SectionView {
  readonly terms: PerformanceTerms | undefined
  readonly exists: boolean
  private readonly holders: SeatHolders
  private readonly overlays: Overlay[] = []

  constructor(contents: SectionContents) {
    this.terms = contents.terms
    this.exists = contents.exists
    this.holders = contents.holders
  }

  /** Its weight in memory, in seats: also a section without seats weighs something, and clients choose the names. */
  get size(): number {
    return this.holders.seatCount + SECTION_WEIGHT
  }

  /** True while a batch that touched this section is not settled in either way: it must stay in memory. */
  get pinned(): boolean {
    return this.overlays.length > 0
  }

  isFree(seatId: string): boolean | undefined {
    for (let i = this.overlays.length - 1; i >= 0; i--) {
      const holder = this.overlays[i]?.holders.get(seatId)
      if (holder !== undefined) return holder === FREE
    }
    return this.holders.isFree(seatId)
  }

  /** The request that holds a seat, FREE, or undefined where there is no such seat. */
  holderOf(seatId: string): string | undefined {
    for (let i = this.overlays.length - 1; i >= 0; i--) {
      const holder = this.overlays[i]?.holders.get(seatId)
      if (holder !== undefined) return holder
    }
    return this.holders.holderOf(seatId)
  }

  seatsOf(requestId: string): readonly string[] | undefined {
    for (let i = this.overlays.length - 1; i >= 0; i--) {
      const overlay = this.overlays[i]
      if (overlay?.bookings.has(requestId)) return overlay.bookings.get(requestId)
    }
    const seatIds = this.holders.seatsOf(requestId)
    return seatIds.length === 0 ? undefined : seatIds
  }

  /** Begins the overlay of a new batch. */
  begin(): void {
    this.overlays.push({ holders: new Map(), bookings: new Map() })
  }

  /** Applies a decision to the newest overlay. */
  apply(change: SeatChange): void {
    const overlay = this.overlays.at(-1)
    if (overlay === undefined) throw new Error('apply() outside a batch')
    const holder = change.kind === 'take' ? change.requestId : FREE
    for (const seatId of change.seatIds) overlay.holders.set(seatId, holder)
    overlay.bookings.set(change.requestId, change.kind === 'take' ? change.seatIds : undefined)
  }

  /** What the newest batch changes, seat by seat; a seat that was taken and freed again does not appear. */
  netChanges(): NetSeatChange[] {
    const overlay = this.overlays.pop()
    if (overlay === undefined) return []
    const changes: NetSeatChange[] = []
    for (const [seatId, after] of overlay.holders) {
      const before = this.holderOf(seatId) ?? FREE
      if (before !== after) changes.push({ seatId, before, after })
    }
    this.overlays.push(overlay)
    return changes
  }

  /** The oldest batch has committed. */
  commit(): void {
    const overlay = this.overlays.shift()
    if (overlay === undefined) return
    for (const [seatId, holder] of overlay.holders) this.holders.set(seatId, holder)
  }

  /** Throws away every batch that has not committed. */
  discard(): void {
    this.overlays.length = 0
  }
}
