import type { BookCommand } from '../../shared/commands.ts'
import type { DecisionRecord } from '../../consumer/decide-batch.ts'

/** A seat that somebody asked for in vain. */
export interface TakenSeat {
  /** `performance/section/seat`. */
  readonly seat: string
  readonly holder: string
}

/** A request that was not let into the line, because of seats that others have. */
interface Refusal {
  readonly requestId: string
  /** The place in the line that it would have had is behind this one. */
  readonly behind: number
  readonly taken: readonly TakenSeat[]
}

/**
 * Watches what the servers really carry out, one thing after the other, and says what breaks a promise. It keeps its own
 * books: nothing here is shared with what it judges but the shape of a decision.
 */
export class Judge {
  readonly problems: string[] = []
  readonly history: string[] = []
  decisions = 0
  refusedAtOnce = 0
  claims = 0
  generations = 0
  private readonly nowMs: () => number
  private readonly epochs = new Map<number, number>()
  private readonly generationOf = new Map<number, number>()
  private readonly sequences = new Map<number, number>()
  private newestGeneration = 0
  /** Command → its places in the line that still stand; several if it was sent twice. */
  private readonly line = new Map<string, number[]>()
  private readonly lostCommands = new Set<string>()
  private arrivals = 0
  private readonly lastDecided = new Map<string, number>()
  private readonly decidedCommands = new Set<string>()
  private readonly seats = new Map<string, string>()
  private readonly statuses = new Map<string, string>()
  private readonly forgottenRequests = new Set<string>()
  private readonly forgottenCancels = new Set<string>()
  /** Of each section, in the order in which they were asked. */
  private readonly refusals = new Map<string, Refusal[]>()

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  note(what: string): void {
    this.history.push(`${this.nowMs().toFixed(1)} ${what}`)
  }

  accepted(partition: number, command: string): void {
    this.arrivals += 1
    this.line.set(command, [...(this.line.get(command) ?? []), this.arrivals])
    this.note(`accepted ${command} on ${partition}`)
  }

  /** It must be what the decision would have been: it is looked into when its turn would have come. */
  refused({ requestId, performanceId, sectionId }: BookCommand, taken: readonly TakenSeat[]): void {
    this.refusedAtOnce += 1
    const section = `${performanceId}/${sectionId}`
    const others = this.refusals.get(section) ?? []
    this.refusals.set(section, [...others, { requestId, behind: this.arrivals, taken }])
    this.note(
      `refused ${requestId} at once: ${taken.map(({ seat, holder }) => `${seat} is ${holder}'s`).join()}`,
    )
  }

  /** Redis lost it with its tail: the same place in the line is nobody's any more. */
  lost(partition: number, command: string): void {
    const places = this.line.get(command) ?? []
    this.line.set(command, places.slice(0, -1))
    this.lostCommands.add(command)
    // Should it have been decided and not yet settled, nobody comes to show that any more.
    this.forgotten(command.split('/')[0] ?? '')
    this.note(`lost ${command} on ${partition} with the tail`)
  }

  /** Redis lost with its tail what it showed of a request, and shows something older or nothing. */
  forgotten(requestId: string): void {
    this.forgottenRequests.add(requestId)
  }

  /** Redis lost with its tail that a request's cancel was asked for. One that is on its way all the same nobody can see. */
  cancelForgotten(requestId: string): void {
    if (this.statuses.get(requestId) !== 'CANCELLED') this.forgottenCancels.add(requestId)
  }

  mapStored(generation: number, members: readonly string[]): void {
    this.note(`generation ${generation} stored: ${members.join(' ')}`)
    this.generations += 1
    if (generation <= this.newestGeneration)
      this.say(`generation ${generation} after ${this.newestGeneration}`)
    this.newestGeneration = Math.max(this.newestGeneration, generation)
  }

  claimed(partition: number, epoch: number, generation: number): void {
    this.note(`partition ${partition} claimed: epoch ${epoch}, generation ${generation}`)
    this.claims += 1
    const before = this.epochs.get(partition) ?? 0
    if (epoch !== before + 1) this.say(`partition ${partition}: epoch ${epoch} after ${before}`)
    this.epochs.set(partition, epoch)
    this.stamped(partition, generation)
  }

  stamped(partition: number, generation: number): void {
    const before = this.generationOf.get(partition) ?? 0
    if (generation < before) {
      this.say(
        `partition ${partition} was claimed under generation ${generation}, and a newer one, ${before}, gave it away`,
      )
    }
    this.generationOf.set(partition, generation)
  }

  decided(partition: number, record: DecisionRecord): void {
    const command = record.command === 'book' ? record.requestId : `${record.requestId}/${record.command}`
    this.note(
      `decided ${command} on ${partition}: ${record.status ?? 'unchanged'}, epoch ${record.epoch}, place ${record.sequence}`,
    )
    this.decisions += 1
    if (this.decidedCommands.has(command)) this.say(`${command} was decided twice`)
    this.decidedCommands.add(command)
    const epoch = this.epochs.get(partition) ?? 0
    if (record.epoch !== epoch) {
      this.say(`${command} was committed under epoch ${record.epoch}, and ${epoch} is the partition's`)
    }
    const place = (this.sequences.get(partition) ?? 0) + 1
    if (record.sequence !== place) this.say(`${command} has place ${record.sequence}, not ${place}`)
    this.sequences.set(partition, record.sequence)
    this.checkRefusals(record, command)
    this.checkOrder(record, command)
    this.checkReason(record)
    this.checkSeats(record)
    if (record.status !== undefined) this.statuses.set(record.requestId, record.status)
  }

  /** When everything has come to rest. */
  atRest(shownOf: (requestId: string) => string | undefined): void {
    for (const section of this.refusals.keys()) this.checkRefusalsUpTo(section, Infinity)
    for (const [command, places] of this.line) {
      if (places.length > 0 && !this.decidedCommands.has(command))
        this.say(`${command} was accepted and never decided`)
    }
    for (const [requestId, status] of this.statuses) {
      if (this.forgottenRequests.has(requestId)) continue
      const shown = shownOf(requestId) ?? 'nothing'
      if (shown !== status) this.say(`${requestId} is ${status}, and shown as ${shown}`)
    }
  }

  say(problem: string): void {
    this.problems.push(`${this.nowMs().toFixed(1)} ${problem}`)
  }

  /** Of a section those whose turn would have come before a command that is decided now. */
  private checkRefusals({ performanceId, sectionId }: DecisionRecord, command: string): void {
    const [place] = this.line.get(command) ?? []
    if (place !== undefined) this.checkRefusalsUpTo(`${performanceId}/${sectionId}`, place)
  }

  private checkRefusalsUpTo(section: string, place: number): void {
    const refusals = this.refusals.get(section) ?? []
    for (const { requestId, taken } of refusals.filter(({ behind }) => behind < place)) {
      for (const { seat, holder } of taken) {
        const really = this.seats.get(seat) ?? 'nobody'
        // Asked for, as far as its customer knows; not as far as Redis does. Then it is no mark's fault.
        if (really === 'nobody' && this.forgottenCancels.has(holder)) continue
        if (really === 'nobody' || really === requestId)
          this.say(
            `${requestId} was refused ${seat} at once, which was ${really}'s when its turn would have come`,
          )
      }
    }
    this.refusals.set(
      section,
      refusals.filter(({ behind }) => behind >= place),
    )
  }

  private checkOrder(record: DecisionRecord, command: string): void {
    const [place] = this.line.get(command) ?? []
    // One that was lost may have been read before, and asked for again since: either place is right.
    if (place === undefined || this.lostCommands.has(command)) return
    const section = `${record.performanceId}/${record.sectionId}`
    const last = this.lastDecided.get(section) ?? 0
    if (place < last) this.say(`${command} came before one of its section that was decided already`)
    this.lastDecided.set(section, place)
  }

  /** Double sales show by themselves; a refusal, or a cancel that finds nothing, must have had its reason. */
  private checkReason(record: DecisionRecord): void {
    const holders = record.seatIds.map((seatId) =>
      this.seats.get(`${record.performanceId}/${record.sectionId}/${seatId}`),
    )
    if (record.status === 'REJECTED' && holders.every((holder) => holder === undefined)) {
      this.say(`${record.requestId} was rejected, and nobody had its seats`)
    }
    const holdsSome = [...this.seats.values()].includes(record.requestId)
    if (record.command === 'cancel' && record.status === undefined && holdsSome) {
      this.say(`${record.requestId} was not cancelled, and had seats`)
    }
  }

  private checkSeats(record: DecisionRecord): void {
    const seatOf = (seatId: string): string => `${record.performanceId}/${record.sectionId}/${seatId}`
    for (const seatId of record.seatIds) {
      const holder = this.seats.get(seatOf(seatId))
      if (record.status === 'CONFIRMED' && record.command === 'book') {
        if (holder !== undefined) this.say(`${seatOf(seatId)} went to ${record.requestId} and is ${holder}'s`)
        this.seats.set(seatOf(seatId), record.requestId)
      }
      if (record.status === 'CANCELLED') {
        if (holder !== record.requestId)
          this.say(`${seatOf(seatId)} was freed by ${record.requestId} and is not its`)
        this.seats.delete(seatOf(seatId))
      }
    }
  }
}
