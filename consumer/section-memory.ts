import type { SectionState } from './section-state.ts'

export interface SectionKey {
  readonly performanceId: string
  readonly sectionId: string
}

/** Sections that one load asks for. */
export type LoadSections = (
  keys: readonly SectionKey[],
) => Promise<readonly (SectionKey & { readonly state: SectionState })[]>

const nameOf = (key: SectionKey): string => `${key.performanceId}/${key.sectionId}`

/**
 * The sections a shard's owner keeps in memory, at most `maxSeats` seats of them; those longest untouched
 * go first. A section that an uncommitted batch has touched never goes: loading it again would miss that batch.
 *
 * What is in here was loaded after this owner's claim and is dropped with it.
 */
export class SectionMemory {
  private readonly sections = new Map<string, SectionState>()
  private readonly load: LoadSections
  private readonly maxSeats: number
  private seats = 0

  constructor(load: LoadSections, maxSeats: number) {
    this.load = load
    this.maxSeats = maxSeats
  }

  /** Whether all of these are in memory. */
  has(keys: readonly SectionKey[]): boolean {
    return keys.every((key) => this.sections.has(nameOf(key)))
  }

  /** Brings in what is missing, in one load. Afterwards `get` answers for each of the keys. */
  async ensure(keys: readonly SectionKey[]): Promise<void> {
    const missing = new Map<string, SectionKey>()
    for (const key of keys) {
      const name = nameOf(key)
      const present = this.sections.get(name)
      if (present === undefined) missing.set(name, key)
      else {
        // A Map keeps its order of insertion: put in again, it is the most recently used.
        this.sections.delete(name)
        this.sections.set(name, present)
      }
    }
    if (missing.size === 0) return
    this.makeRoom(new Set(keys.map(nameOf)))
    for (const { state, ...key } of await this.load([...missing.values()])) {
      this.sections.set(nameOf(key), state)
      this.seats += state.size
    }
  }

  /** @throws if the section was not ensured */
  get(performanceId: string, sectionId: string): SectionState {
    const state = this.sections.get(nameOf({ performanceId, sectionId }))
    if (state === undefined) throw new Error(`section ${performanceId}/${sectionId} is not in memory`)
    return state
  }

  /** Performances that do not exist are not remembered: they may exist by the next batch. */
  forgetUnknown(keys: readonly SectionKey[]): void {
    for (const key of keys) {
      const state = this.sections.get(nameOf(key))
      if (state !== undefined && state.terms === undefined && !state.pinned) this.remove(nameOf(key))
    }
  }

  /** Drops sections whose memory is known to be wrong or no longer ours. */
  drop(doomed: (key: SectionKey) => boolean): void {
    for (const name of this.sections.keys()) {
      const [performanceId = '', sectionId = ''] = name.split('/')
      if (doomed({ performanceId, sectionId })) this.remove(name)
    }
  }

  /** Throws away every batch that has not committed; what is committed stays. */
  discardOverlays(): void {
    for (const state of this.sections.values()) state.discard()
  }

  get seatCount(): number {
    return this.seats
  }

  private makeRoom(wanted: ReadonlySet<string>): void {
    for (const [name, state] of this.sections) {
      if (this.seats < this.maxSeats) return
      if (!state.pinned && !wanted.has(name)) this.remove(name)
    }
  }

  private remove(name: string): void {
    const state = this.sections.get(name)
    if (state === undefined) return
    this.seats -= state.size
    this.sections.delete(name)
  }
}
