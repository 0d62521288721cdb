import type { Command } from '../../shared/commands.ts'
import type { DecidedStatus, ReasonCode } from '../../shared/outcomes.ts'
import { decide, type Decision } from '../decide.ts'
import { SeatHolders } from '../seat-holders.ts'
import { seatPlanOf, type SeatPlan } from '../seat-plans.ts'
import { SectionState, type PerformanceTerms } from '../section-state.ts'
import type { Finding } from './findings.ts'

/** A decision as it is stored. */
export interface StoredDecision {
  readonly requestId: string
  readonly command: 'book' | 'cancel'
  readonly customerId: string
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
  readonly status: DecidedStatus | undefined
  readonly reason: ReasonCode | undefined
  readonly reasonSeatIds: readonly string[]
  readonly performanceVersion: number
  readonly sequence: number
  readonly epoch: number
  readonly requestedAtUs: number
}

/** A section as one version of the catalogue has it. */
export interface SectionVersion {
  readonly terms: PerformanceTerms
  readonly exists: boolean
  readonly seatIds: readonly string[]
}

export interface SectionHistory {
  readonly sectionId: string
  /** In the order of their sequence. */
  readonly decisions: readonly StoredDecision[]
  /** By version number. */
  readonly versions: ReadonlyMap<number, SectionVersion>
  /** Requests that have a dead letter. */
  readonly deadLetters: ReadonlySet<string>
}

export interface Replay {
  readonly findings: readonly Finding[]
  /** Who holds which seat after all decisions, as stored: seat id to request id. */
  readonly held: ReadonlyMap<string, string>
}

/**
 * Decides a section's history again, in its stored order and under the versions it names. After a difference it goes
 * on with what is stored, so that one wrong decision is reported once and not with all that followed from it.
 */
export function replaySection(history: SectionHistory): Replay {
  const findings: Finding[] = []
  const held = new Map<string, string>()
  const plans = new Map<number, SeatPlan>()
  let epoch = 0
  for (const stored of history.decisions) {
    const about = { sectionId: history.sectionId, requestId: stored.requestId, sequence: stored.sequence }
    const complain = (kind: Finding['kind'], detail: string, seatId?: string): void => {
      findings.push({ kind, ...about, ...(seatId === undefined ? {} : { seatId }), detail })
    }
    if (stored.epoch < epoch)
      complain('epoch-backwards', `decided under epoch ${stored.epoch} after ${epoch}`)
    epoch = Math.max(epoch, stored.epoch)
    if (stored.reason === 'INTERNAL') {
      if (!history.deadLetters.has(stored.requestId)) complain('dead-letter-missing', 'rejected as INTERNAL')
      continue
    }
    const section = sectionAt(history, plans, stored.performanceVersion, held)
    if (section === undefined)
      complain('version-unknown', `decided under version ${stored.performanceVersion}`)
    else {
      const difference = differenceOf(decide(section, commandOf(stored)), stored)
      if (difference !== undefined) complain('decision-differs', difference)
    }
    applyStored(stored, held, (seatId, detail) => {
      complain('seat-sold-twice', detail, seatId)
    })
  }
  return { findings, held }
}

/** The section as the decision found it. Version 0 stands for "no such performance". */
function sectionAt(
  { versions }: SectionHistory,
  plans: Map<number, SeatPlan>,
  version: number,
  held: ReadonlyMap<string, string>,
): SectionState | undefined {
  const found = versions.get(version)
  if (version !== 0 && found === undefined) return undefined
  let plan = plans.get(version)
  if (plan === undefined) plans.set(version, (plan = seatPlanOf(found?.seatIds ?? [])))
  const holders = new SeatHolders(plan)
  for (const [seatId, requestId] of held) {
    if (holders.isFree(seatId) !== undefined) holders.set(seatId, requestId)
  }
  return new SectionState({ terms: found?.terms, exists: found?.exists ?? false, holders })
}

function commandOf(stored: StoredDecision): Command {
  const { requestId, customerId, performanceId, sectionId, requestedAtUs } = stored
  const common = { requestId, customerId, performanceId, sectionId, requestedAtUs, topologyVersion: 1 }
  return stored.command === 'cancel'
    ? { kind: 'cancel', ...common }
    : { kind: 'book', ...common, seatIds: [...stored.seatIds], fingerprint: '' }
}

function differenceOf(decided: Decision, stored: StoredDecision): string | undefined {
  const list = (seatIds: readonly string[] = []): string => [...seatIds].sort().join(',')
  const compared: [what: string, again: string, then: string][] = [
    ['status', decided.status ?? 'unchanged', stored.status ?? 'unchanged'],
    ['reason', decided.reason?.code ?? 'none', stored.reason ?? 'none'],
    ['seats of the reason', list(decided.reason?.seatIds), list(stored.reasonSeatIds)],
    ['seats', list(decided.seatIds), list(stored.seatIds)],
  ]
  const different = compared.find(([, again, then]) => again !== then)
  return different && `${different[0]}: stored ${different[2]}, decided again ${different[1]}`
}

/** Carries out what is stored, by itself and without `decide`, and tells of each seat that is taken while it is held. */
function applyStored(
  stored: StoredDecision,
  held: Map<string, string>,
  onSoldTwice: (seatId: string, detail: string) => void,
): void {
  if (stored.command === 'book' && stored.status === 'CONFIRMED') {
    for (const seatId of stored.seatIds) {
      const holder = held.get(seatId)
      if (holder !== undefined) onSoldTwice(seatId, `held by ${holder} at the time`)
      held.set(seatId, stored.requestId)
    }
  }
  if (stored.command === 'cancel' && stored.status === 'CANCELLED') {
    for (const seatId of stored.seatIds) {
      if (held.get(seatId) === stored.requestId) held.delete(seatId)
    }
  }
}

/** Compares who should hold which seat with the rows of `booked_seats`. */
export function compareSeats(
  sectionId: string,
  held: ReadonlyMap<string, string>,
  rows: ReadonlyMap<string, string>,
  inCatalogue: ReadonlySet<string>,
): Finding[] {
  const findings: Finding[] = []
  for (const [seatId, requestId] of held) {
    const stored = rows.get(seatId)
    const about = { sectionId, seatId, requestId }
    if (stored === undefined)
      findings.push({ kind: 'booking-without-seat', ...about, detail: 'no row in booked_seats' })
    else if (stored !== requestId)
      findings.push({ kind: 'seat-of-another', ...about, detail: `stored for ${stored}` })
  }
  for (const [seatId, requestId] of rows) {
    const about = { sectionId, seatId, requestId }
    if (!held.has(seatId))
      findings.push({ kind: 'seat-without-booking', ...about, detail: 'no live booking has it' })
    if (!inCatalogue.has(seatId))
      findings.push({ kind: 'seat-not-in-catalogue', ...about, detail: 'no such seat now' })
  }
  return findings
}
