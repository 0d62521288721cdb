import { commandId } from '../shared/commands.ts'
import { rawIdentity, type ParsedEntry } from './parse-entry.ts'

/**
 * The entries between reading and settling. Known by what they are, not by where they lie: the ids of a stream come
 * again after a failover, and one command may lie on it twice.
 */
export class InFlight {
  private readonly partitions = new Map<string, number>()
  private readonly counts = new Map<number, number>()
  private reading = false
  /** Taken away while a read was under way. */
  private gone: (readonly string[])[] = []

  has(parsed: ParsedEntry): boolean {
    return this.partitions.has(nameOfEntry(parsed))
  }

  /** @returns the names to hand to `remove` */
  add(entries: readonly ParsedEntry[]): string[] {
    return entries.map((parsed) => {
      const name = nameOfEntry(parsed)
      if (!this.partitions.has(name)) {
        const { partition } = parsed.kind === 'command' ? parsed.entry : parsed.malformed.entry
        this.partitions.set(name, partition)
        this.counts.set(partition, (this.counts.get(partition) ?? 0) + 1)
      }
      return name
    })
  }

  /** A read begins. What it finds may have been settled by the time that its answer is here, and is in flight until then. */
  beginReading(): void {
    this.reading = true
  }

  endReading(): void {
    this.reading = false
    const { gone } = this
    this.gone = []
    for (const names of gone) this.remove(names)
  }

  remove(names: readonly string[]): void {
    if (this.reading) {
      this.gone.push(names)
      return
    }
    for (const name of names) {
      const partition = this.partitions.get(name)
      if (partition === undefined) continue
      this.partitions.delete(name)
      this.counts.set(partition, (this.counts.get(partition) ?? 1) - 1)
    }
  }

  /** Entries of the partition that has most of them: so many, at most, does a reading from the start meet first. */
  get mostOfOnePartition(): number {
    return Math.max(0, ...this.counts.values())
  }
}

/** What an entry is known by while it is in flight. */
export function nameOfEntry(parsed: ParsedEntry): string {
  // With its partition: the copy of a stray must not be passed over where it belongs while it is settled where it lay.
  if (parsed.kind === 'command') return `${parsed.entry.partition}:${commandId(parsed.command)}`
  const { entry } = parsed.malformed
  return `${entry.partition}:${entry.id}:${rawIdentity(entry.fields)}`
}
