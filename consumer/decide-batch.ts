import { commandId, type Command } from '../shared/commands.ts'
import type { DecidedStatus, Reason } from '../shared/outcomes.ts'
import { partitionOf, slotOf, type Topology } from '../shared/placement.ts'
import { decide, type Decision } from './decide.ts'
import type { Entry, Malformed, ParsedEntry } from './parse-entry.ts'
import { FREE } from './seat-holders.ts'
import type { SectionState } from './section-state.ts'

/** What a consumer holds of a partition: the epoch of its claim, and the place of the newest decision. */
export interface Stake {
  readonly epoch: number
  readonly sequence: number
}

/** A decision as it is stored. */
export interface DecisionRecord {
  readonly slot: number
  readonly requestId: string
  readonly command: string
  readonly customerId: string
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
  readonly fingerprint: string | undefined
  readonly status: DecidedStatus | undefined
  readonly reason: Reason | undefined
  /** 0 where there was no such performance. */
  readonly performanceVersion: number
  readonly partition: number
  readonly epoch: number
  readonly sequence: number
  readonly requestedAtUs: number
}

/** What stands in MySQL about a command that was decided before. */
export interface StoredDecision {
  /** Status and reason of the request now; undefined where nothing was ever booked. */
  readonly status: DecidedStatus | undefined
  readonly reason: Reason | undefined
  readonly customerId: string
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
  readonly fingerprint: string | undefined
  /** Place of the newest decision about the request. */
  readonly sequence: number
  readonly requestedAtUs: number
  readonly decidedAtMs: number
}

export interface DeadLetter {
  readonly slot: number
  readonly entry: Entry
  readonly requestId: string | undefined
  readonly command: string | undefined
  readonly reason: string
}

export interface PerformanceVersion {
  readonly performanceId: string
  /** 0: there is no such performance. */
  readonly version: number
}

/** A command that cannot be committed. */
export interface Poison {
  readonly reason: string
  /** False if not even its rejection could be stored as a decision: then its dead letter is all there is. */
  readonly storeRejection: boolean
}

export interface SeatRow {
  readonly slot: number
  readonly performanceId: string
  readonly sectionId: string
  readonly seatId: string
  readonly requestId: string
}

/** One transaction's worth of work on one shard, decided and not yet committed. */
export interface Batch {
  readonly decided: readonly {
    readonly entry: Entry
    readonly record: DecisionRecord
    /** Of the seats that it asked for in vain, in the order of the reason; where they are to be marked. */
    readonly holders?: readonly string[] | undefined
  }[]
  readonly deadLetters: readonly DeadLetter[]
  /** Decided in an earlier life: their stored outcome is shown again. */
  readonly repeats: readonly {
    readonly entry: Entry
    readonly command: Command
    readonly stored: StoredDecision
  }[]
  /** Second entries of a command that this very batch decides. */
  readonly echoes: readonly { readonly entry: Entry; readonly command: Command }[]
  /** Lie on a stream that is not their section's: they are put on the right one. */
  readonly strays: readonly { readonly entry: Entry; readonly command: Command }[]
  readonly malformed: readonly Malformed[]
  /** Commands of which nothing but a dead letter could be stored. */
  readonly buried: readonly { readonly entry: Entry; readonly command: Command }[]
  readonly stakes: ReadonlyMap<
    number,
    { readonly epoch: number; readonly before: number; readonly after: number }
  >
  /** Under which versions of which performances it was decided; two of one performance if memory is part stale. */
  readonly versions: readonly PerformanceVersion[]
  readonly freed: readonly SeatRow[]
  readonly taken: readonly SeatRow[]
  readonly sections: readonly SectionState[]
  /** The Redis as of which it was decided, where seats are to be marked in it. */
  readonly marksIn?: string | undefined
}

export interface BatchContext {
  readonly topology: Topology
  readonly shard: number
  readonly shardSlot: number
  readonly stakes: ReadonlyMap<number, Stake>
  /** Loaded before the batch is decided. */
  section(performanceId: string, sectionId: string): SectionState
  /** By command id; empty where nothing suggests a repeat. */
  readonly storedBefore: ReadonlyMap<string, StoredDecision>
  /** The Redis in which seats that are asked for in vain may be marked; undefined: who holds them is not noted. */
  readonly marksIn: string | undefined
  /** By command id: what is rejected instead of decided. */
  readonly poison: ReadonlyMap<string, Poison>
}

/** Where an entry belongs, if it is not the stream it lies on. */
export function isStray(
  context: Pick<BatchContext, 'topology' | 'shard'>,
  entry: Entry,
  command: Pick<Command, 'performanceId' | 'sectionId'>,
): boolean {
  const home = partitionOf(context.topology, command.performanceId, command.sectionId)
  return home.shard !== context.shard || home.number !== entry.partition
}

/**
 * Decides entries in the order given. Pure but for the overlays of the sections it is handed: it begins
 * one on each section it touches and leaves it there for `commit` or `discard`.
 */
export function decideBatch(entries: readonly ParsedEntry[], context: BatchContext): Batch {
  return new BatchBuilder(context).build(entries)
}

type Unplaced = Omit<DecisionRecord, 'partition' | 'epoch' | 'sequence'>

/** Field by field: spreading costs several times as much, and this is done for every decision. */
function placed(record: Unplaced, partition: number, epoch: number, sequence: number): DecisionRecord {
  return {
    slot: record.slot,
    requestId: record.requestId,
    command: record.command,
    customerId: record.customerId,
    performanceId: record.performanceId,
    sectionId: record.sectionId,
    seatIds: record.seatIds,
    fingerprint: record.fingerprint,
    status: record.status,
    reason: record.reason,
    performanceVersion: record.performanceVersion,
    partition,
    epoch,
    sequence,
    requestedAtUs: record.requestedAtUs,
  }
}

/** Who holds the seats for which a request is rejected. */
function holdersOf(section: SectionState, reason: Reason | undefined): readonly string[] | undefined {
  return reason?.code === 'SEAT_TAKEN'
    ? reason.seatIds?.map((seatId) => section.holderOf(seatId) ?? FREE)
    : undefined
}

class BatchBuilder {
  private readonly context: BatchContext
  private readonly decided: Batch['decided'][number][] = []
  private readonly deadLetters: DeadLetter[] = []
  private readonly repeats: Batch['repeats'][number][] = []
  private readonly echoes: Batch['echoes'][number][] = []
  private readonly strays: Batch['strays'][number][] = []
  private readonly malformed: Malformed[] = []
  private readonly buried: Batch['buried'][number][] = []
  private readonly places = new Map<number, { epoch: number; before: number; after: number }>()
  private readonly versions: PerformanceVersion[] = []
  /** The one noted last, by performance. */
  private readonly noted = new Map<string, number>()
  private readonly touched = new Map<SectionState, { performanceId: string; sectionId: string }>()
  private readonly seen = new Set<string>()

  constructor(context: BatchContext) {
    this.context = context
  }

  build(entries: readonly ParsedEntry[]): Batch {
    for (const parsed of entries) {
      if (parsed.kind === 'malformed') this.addMalformed(parsed.malformed)
      else this.addCommand(parsed.entry, parsed.command)
    }
    const seats = this.netSeats()
    return {
      decided: this.decided,
      deadLetters: this.deadLetters,
      repeats: this.repeats,
      echoes: this.echoes,
      strays: this.strays,
      malformed: this.malformed,
      buried: this.buried,
      stakes: this.places,
      versions: this.versions,
      ...seats,
      sections: [...this.touched.keys()],
      marksIn: this.context.marksIn,
    }
  }

  private addCommand(entry: Entry, command: Command): void {
    const id = commandId(command)
    if (isStray(this.context, entry, command)) {
      this.strays.push({ entry, command })
      return
    }
    if (this.seen.has(id)) {
      this.echoes.push({ entry, command })
      return
    }
    this.seen.add(id)
    const stored = this.context.storedBefore.get(id)
    if (stored !== undefined) {
      this.repeats.push({ entry, command, stored })
      return
    }
    const poisoned = this.context.poison.get(id)
    if (poisoned !== undefined) {
      this.reject(entry, command, poisoned)
      return
    }
    this.decideCommand(entry, command)
  }

  private noteVersion(performanceId: string, version: number): void {
    if (this.noted.get(performanceId) === version) return
    this.noted.set(performanceId, version)
    this.versions.push({ performanceId, version })
  }

  private decideCommand(entry: Entry, command: Command): void {
    const section = this.context.section(command.performanceId, command.sectionId)
    if (!this.touched.has(section)) {
      section.begin()
      this.touched.set(section, { performanceId: command.performanceId, sectionId: command.sectionId })
    }
    let decision: Decision
    try {
      decision = decide(section, command)
    } catch {
      // A fault of ours in deciding this one command must not hold up those behind it.
      this.reject(entry, command, { reason: 'cannot be decided', storeRejection: true })
      return
    }
    if (decision.change !== undefined) section.apply(decision.change)
    const version = section.terms?.version ?? 0
    this.noteVersion(command.performanceId, version)
    const holders = this.context.marksIn === undefined ? undefined : holdersOf(section, decision.reason)
    const record: Unplaced = {
      slot: slotOf(command.performanceId),
      requestId: command.requestId,
      command: command.kind,
      customerId: command.customerId,
      performanceId: command.performanceId,
      sectionId: command.sectionId,
      seatIds: decision.seatIds,
      fingerprint: command.kind === 'book' ? command.fingerprint : undefined,
      status: decision.status,
      reason: decision.reason,
      performanceVersion: version,
      requestedAtUs: command.requestedAtUs,
    }
    this.record(entry, record, holders)
  }

  /** A well-formed command that no retry can commit. A booking is rejected; anything else only goes away. */
  private reject(entry: Entry, command: Command, { reason, storeRejection }: Poison): void {
    this.deadLetters.push({
      slot: slotOf(command.performanceId),
      entry,
      requestId: command.requestId,
      command: command.kind,
      reason,
    })
    // A dead letter is an outcome too: it is written only under an epoch that is still ours.
    this.placeIn(entry.partition)
    if (storeRejection) this.recordRejection(entry, command, command.requestedAtUs)
    else this.buried.push({ entry, command })
  }

  private addMalformed(malformed: Malformed): void {
    const { entry, names } = malformed
    this.malformed.push(malformed)
    this.placeIn(entry.partition)
    this.deadLetters.push({
      slot: names === undefined ? this.context.shardSlot : slotOf(names.performanceId),
      entry,
      requestId: names?.requestId,
      command: names?.kind,
      reason: malformed.reason,
    })
    // On a stream that is not its section's it has no place in the section's order, so it cannot be rejected here.
    if (names === undefined || isStray(this.context, entry, names) || this.seen.has(names.requestId)) return
    if (this.context.storedBefore.has(names.requestId) || this.context.poison.has(names.requestId)) return
    this.seen.add(names.requestId)
    // When it was asked cannot be trusted; the entry's id is near enough for display.
    this.recordRejection(entry, names, (Number.parseInt(entry.id, 10) || 0) * 1_000)
  }

  private recordRejection(
    entry: Entry,
    named: { kind: string; requestId: string; customerId: string; performanceId: string; sectionId: string },
    requestedAtUs: number,
  ): void {
    const isBook = named.kind === 'book'
    this.record(entry, {
      slot: slotOf(named.performanceId),
      requestId: named.requestId,
      command: named.kind,
      customerId: named.customerId,
      performanceId: named.performanceId,
      sectionId: named.sectionId,
      seatIds: [],
      fingerprint: undefined,
      status: isBook ? 'REJECTED' : undefined,
      reason: isBook ? { code: 'INTERNAL' } : undefined,
      performanceVersion: 0,
      requestedAtUs,
    })
  }

  /** Gives a decision its place in the order of its partition. */
  private record(entry: Entry, record: Unplaced, holders?: readonly string[]): void {
    const { partition } = entry
    const place = this.placeIn(partition)
    place.after += 1
    this.decided.push({ entry, record: placed(record, partition, place.epoch, place.after), holders })
  }

  /** What the batch writes for a partition, it writes under the partition's epoch. */
  private placeIn(partition: number): { epoch: number; before: number; after: number } {
    let place = this.places.get(partition)
    if (place === undefined) {
      const stake = this.context.stakes.get(partition)
      if (stake === undefined) throw new Error(`no stake in partition ${partition}`)
      place = { epoch: stake.epoch, before: stake.sequence, after: stake.sequence }
      this.places.set(partition, place)
    }
    return place
  }

  private netSeats(): { freed: SeatRow[]; taken: SeatRow[] } {
    const freed: SeatRow[] = []
    const taken: SeatRow[] = []
    for (const [section, { performanceId, sectionId }] of this.touched) {
      const slot = slotOf(performanceId)
      for (const { seatId, before, after } of section.netChanges()) {
        if (before !== FREE) freed.push({ slot, performanceId, sectionId, seatId, requestId: before })
        if (after !== FREE) taken.push({ slot, performanceId, sectionId, seatId, requestId: after })
      }
    }
    return { freed, taken }
  }
}
