import { commandId } from '../shared/commands.ts'
import type { Batch, Poison } from './decide-batch.ts'
import type { ParsedEntry } from './parse-entry.ts'

/**
 * Finds the entry because of which a batch cannot be committed. The batch is halved, each half tried by itself, and so
 * on until the culprit is alone: about twice the logarithm of the batch in rounds, whatever else lies on the streams.
 * Within a partition the order stays, and the culprit keeps its place in it.
 */
export class Suspects {
  /** What is rejected instead of decided, by command id. */
  readonly poison = new Map<string, Poison>()
  private parts: (readonly ParsedEntry[])[] = []

  get pending(): boolean {
    return this.parts.length > 0
  }

  /** The part to try next. */
  next(): readonly ParsedEntry[] {
    return this.parts.shift() ?? []
  }

  /** Forgets the parts; what they held is read again. */
  clear(): void {
    this.parts = []
  }

  /**
   * Takes in a batch that failed: halves it, or condemns what is alone.
   *
   * @returns the condemned command's id, if there is one
   */
  take(entries: readonly ParsedEntry[], batch: Batch, reason: string): string | undefined {
    if (entries.length > 1) {
      const half = Math.ceil(entries.length / 2)
      this.parts.unshift(entries.slice(0, half), entries.slice(half))
      return undefined
    }
    const [culprit] = batch.decided
    if (culprit === undefined) return undefined
    const id = commandId({ kind: culprit.record.command, requestId: culprit.record.requestId })
    // Condemned before: not even its rejection could be stored.
    this.poison.set(id, { reason, storeRejection: !this.poison.has(id) })
    // Tried at once again, as what it is now: what lies behind it has its place behind it.
    this.parts.unshift(entries)
    return id
  }

  /** What has committed is no longer suspect. */
  acquit(batch: Batch): void {
    if (this.poison.size === 0) return
    for (const { record } of batch.decided) {
      this.poison.delete(commandId({ kind: record.command, requestId: record.requestId }))
    }
    for (const { command } of batch.buried) this.poison.delete(commandId(command))
  }
}
