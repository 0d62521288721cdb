import type { BookCommand, CancelCommand, Command } from '../shared/commands.ts'
import type { DecidedStatus, Reason } from '../shared/outcomes.ts'
import type { SeatChange, SectionView } from './section-state.ts'

/** What becomes of a command. */
export interface Decision {
  /** The request's status from now on; undefined leaves it as it was (a cancel that finds nothing to cancel). */
  readonly status: DecidedStatus | undefined
  readonly reason: Reason | undefined
  /** Its effect on the section's seats; undefined: none. */
  readonly change: SeatChange | undefined
  /** Of a book the seats asked for, of a cancel the seats freed. */
  readonly seatIds: readonly string[]
}

/**
 * Decides one command. A function of the section and the command alone: no clock (its "now" is when the
 * command was accepted), no randomness, no I/O. Deciding again gives the same answer; the audit relies on it.
 */
export function decide(section: SectionView, command: Command): Decision {
  switch (command.kind) {
    case 'book':
      return decideBook(section, command)
    case 'cancel':
      return decideCancel(section, command)
  }
}

function decideBook(section: SectionView, command: BookCommand): Decision {
  const reason = whyNot(section, command)
  if (reason !== undefined) {
    return { status: 'REJECTED', reason, change: undefined, seatIds: command.seatIds }
  }
  return {
    status: 'CONFIRMED',
    reason: undefined,
    change: { kind: 'take', requestId: command.requestId, seatIds: command.seatIds },
    seatIds: command.seatIds,
  }
}

/** The first reason against a booking. All or nothing: one seat that cannot be had refuses the request. */
function whyNot(section: SectionView, command: BookCommand): Reason | undefined {
  const { terms } = section
  if (terms === undefined) return { code: 'UNKNOWN_PERFORMANCE' }
  if (!section.exists) return { code: 'UNKNOWN_SECTION' }
  const nowMs = command.requestedAtUs / 1_000
  if (terms.saleOpensAtMs !== undefined && nowMs < terms.saleOpensAtMs) return { code: 'SALE_NOT_OPEN' }
  if (terms.saleClosesAtMs !== undefined && nowMs >= terms.saleClosesAtMs) return { code: 'SALE_CLOSED' }
  if (command.seatIds.every((seatId) => section.isFree(seatId) === true)) return undefined
  const unknown = command.seatIds.filter((seatId) => section.isFree(seatId) === undefined)
  if (unknown.length > 0) return { code: 'UNKNOWN_SEAT', seatIds: unknown }
  return {
    code: 'SEAT_TAKEN',
    seatIds: command.seatIds.filter((seatId) => section.isFree(seatId) !== true),
  }
}

function decideCancel(section: SectionView, command: CancelCommand): Decision {
  const seatIds = section.seatsOf(command.requestId)
  if (seatIds === undefined) {
    // Rejected, or cancelled before, or never booked: its seats, if it ever had any, may be somebody else's by now.
    return { status: undefined, reason: undefined, change: undefined, seatIds: [] }
  }
  if (section.terms !== undefined && command.requestedAtUs / 1_000 >= section.terms.startsAtMs) {
    return { status: 'CONFIRMED', reason: { code: 'PERFORMANCE_STARTED' }, change: undefined, seatIds: [] }
  }
  return {
    status: 'CANCELLED',
    reason: undefined,
    change: { kind: 'free', requestId: command.requestId, seatIds },
    seatIds,
  }
}
