import { READ_BLOCK_MS } from '../shared/redis/connect.ts'
import type { EndTurn } from './commit-turns.ts'
import { EntrySet } from './entry-set.ts'
import type { InFlight } from './in-flight.ts'
import { parseEntry, type ParsedEntry } from './parse-entry.ts'
import type { ShardLoopPorts } from './shard-loop-ports.ts'
import type { Tenure } from './tenure.ts'

/**
 * What a shard's loop decides next: reads the streams of its partitions, and takes the turns that small batches need. A turn
 * is asked for before reading where others have it: what comes meanwhile belongs to the same batch.
 */
export class Intake {
  private readonly ports: Pick<ShardLoopPorts, 'aheadOf' | 'onServing' | 'read' | 'turns'>
  private readonly tenure: Tenure
  private readonly inFlight: InFlight
  private turn: EndTurn | undefined
  /** Entries of the batch before: the next one is likely to be as large. */
  private lastEntries = 0

  constructor(ports: Intake['ports'], tenure: Tenure, inFlight: InFlight) {
    this.ports = ports
    this.tenure = tenure
    this.inFlight = inFlight
  }

  /**
   * The next entries, `limit` at most. Waits for some, unless a batch is committing.
   *
   * @param isAhead a batch is committing
   */
  async next(limit: number, isAhead: boolean): Promise<readonly ParsedEntry[]> {
    const { turns } = this.ports
    if (!this.needsTurn(isAhead)) return this.read(limit, isAhead)
    if (!turns.isFree) {
      await this.takeTurn(isAhead)
      const entries = await this.read(limit, isAhead)
      if (entries.length > 0) return entries
      // Whoever has nothing must not go round with the others, each waiting for the next: it waits for entries.
      this.endTurn()
    }
    const entries = await this.read(limit, isAhead)
    if (entries.length === 0 || turns.isFree) return entries
    await this.takeTurn(isAhead)
    return [...entries, ...(await this.read(limit, isAhead, entries))]
  }

  /** Waits for the turn that the next batch needs, if it needs one and has none. */
  async takeTurn(isAhead: boolean): Promise<void> {
    if (this.needsTurn(isAhead)) this.turn ??= await this.ports.turns.take()
  }

  /** @returns what ends the turn, which is that of a batch of so many entries from now on */
  handTurnTo(entries: number): EndTurn | undefined {
    const { turn } = this
    this.turn = undefined
    this.lastEntries = entries
    return turn
  }

  /** Gives back a turn that no batch came of. */
  endTurn(): void {
    this.turn?.()
    this.turn = undefined
  }

  private needsTurn(isAhead: boolean): boolean {
    return !isAhead && this.lastEntries < this.ports.aheadOf
  }

  /** @param had read before for the same batch */
  private async read(
    limit: number,
    isAhead: boolean,
    had: readonly ParsedEntry[] = [],
  ): Promise<ParsedEntry[]> {
    const left = limit - had.length
    if (left <= 0) return []
    const known = new EntrySet()
    for (const parsed of had) known.add(parsed)
    const fresh: ParsedEntry[] = []
    const { tenure } = this
    const inFlight = this.inFlight.mostOfOnePartition
    const partitions = tenure.owned
    // While it waited for the turn, all may have been lost, or are to be let go.
    if (partitions.length === 0) return []
    const unread = tenure.unreadOf(partitions)
    // Nobody waits for entries while others wait for the turn.
    const mayWait = !isAhead && this.turn === undefined && unread.length === 0
    const blockMs = mayWait ? READ_BLOCK_MS : 0
    this.inFlight.beginReading()
    try {
      await this.ports.read({ partitions, limit: left, inFlight, blockMs }, (entry) => {
        const parsed = parseEntry(entry)
        if (this.inFlight.has(parsed) || known.has(parsed)) return false
        // While it waited, a partition may have been lost, or is to be let go.
        if (!tenure.has(entry.partition) || tenure.leaves(entry.partition)) return false
        fresh.push(parsed)
        return true
      })
    } finally {
      this.inFlight.endReading()
    }
    tenure.read(unread)
    if (unread.length > 0) this.ports.onServing(unread)
    return fresh
  }
}
