import { EntrySet } from './entry-set.ts'
import type { ParsedEntry } from './parse-entry.ts'

/** The entries between reading and settling. */
export class InFlight {
  private readonly entries = new EntrySet()
  private reading = false
  /** Taken away while a read was under way. */
  private gone: (readonly ParsedEntry[])[] = []

  has(parsed: ParsedEntry): boolean {
    return this.entries.has(parsed)
  }

  add(entries: readonly ParsedEntry[]): void {
    for (const parsed of entries) this.entries.add(parsed)
  }

  /** A read begins. What it finds may have been settled by the time that its answer is here, and is in flight until then. */
  beginReading(): void {
    this.reading = true
  }

  endReading(): void {
    this.reading = false
    const { gone } = this
    this.gone = []
    for (const entries of gone) this.remove(entries)
  }

  remove(entries: readonly ParsedEntry[]): void {
    if (this.reading) {
      this.gone.push(entries)
      return
    }
    for (const parsed of entries) this.entries.delete(parsed)
  }

  /** Entries of the partition that has most of them: so many, at most, does a reading from the start meet first. */
  get mostOfOnePartition(): number {
    return this.entries.mostOfOnePartition
  }
}
