import { commandId } from '../shared/commands.ts'
import { rawIdentity, type Entry, type ParsedEntry } from './parse-entry.ts'

/**
 * Entries of a shard. Known by what they are, not by where they lie: the ids of a stream come again after a failover, and
 * one command may lie on it twice. By partition, because the copy of a stray must not be passed over where it belongs while
 * it is settled where it lay.
 */
export class EntrySet {
  private readonly partitions = new Map<number, Set<string>>()

  has(parsed: ParsedEntry): boolean {
    return this.partitions.get(entryOf(parsed).partition)?.has(nameOf(parsed)) ?? false
  }

  add(parsed: ParsedEntry): void {
    const { partition } = entryOf(parsed)
    let names = this.partitions.get(partition)
    if (names === undefined) this.partitions.set(partition, (names = new Set()))
    names.add(nameOf(parsed))
  }

  delete(parsed: ParsedEntry): void {
    this.partitions.get(entryOf(parsed).partition)?.delete(nameOf(parsed))
  }

  get mostOfOnePartition(): number {
    return Math.max(0, ...Array.from(this.partitions.values(), ({ size }) => size))
  }
}

export function entryOf(parsed: ParsedEntry): Entry {
  return parsed.kind === 'command' ? parsed.entry : parsed.malformed.entry
}

function nameOf(parsed: ParsedEntry): string {
  if (parsed.kind === 'command') return commandId(parsed.command)
  const { entry } = parsed.malformed
  return `${entry.id}:${rawIdentity(entry.fields)}`
}
