import type { Measured } from '../row.ts'

/** A figure over the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A row over all rounds. Where a round found something wrong, the row has failed, whatever its figures say. */
export interface RowSummary {
  readonly row: string
  readonly rounds: number
  readonly perSecond: Spread
  /** Medians. */
  readonly cpuUs: Readonly<Record<string, number>>
  readonly latencyMs: Readonly<Record<string, number>>
  readonly figures: Readonly<Record<string, number>>
  /** What the checks found, of all rounds, each finding once. */
  readonly wrong: readonly string[]
}

/** What was measured in one turn of all rows. */
export type Round = ReadonlyMap<string, Measured>

export interface Summary {
  /** In the order in which they were first measured. */
  readonly rows: readonly RowSummary[]
  readonly rounds: readonly Round[]
}

/** @param measured the n-th measurement of a row belongs to the n-th round */
export function summarize(measured: readonly Measured[]): Summary {
  const byRow = new Map<string, Measured[]>()
  const rounds: Map<string, Measured>[] = []
  for (const one of measured) {
    const ofRow = byRow.get(one.row) ?? []
    byRow.set(one.row, ofRow)
    const round = rounds[ofRow.length] ?? new Map<string, Measured>()
    rounds[ofRow.length] = round
    round.set(one.row, one)
    ofRow.push(one)
  }
  return { rows: [...byRow].map(([row, ofRow]) => summarizeRow(row, ofRow)), rounds }
}

function summarizeRow(row: string, measured: readonly Measured[]): RowSummary {
  return {
    row,
    rounds: measured.length,
    perSecond: spreadOf(measured.map(perSecondOf)),
    cpuUs: medians(measured.map(({ cpuUs }) => cpuUs)),
    latencyMs: medians(measured.map(({ latencyMs = {} }) => latencyMs)),
    figures: medians(measured.map(({ figures = {} }) => figures)),
    wrong: [...new Set(measured.flatMap(({ wrong }) => wrong))],
  }
}

export function perSecondOf({ count, seconds }: Measured): number {
  return seconds > 0 ? count / seconds : 0
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  return { median: medianOf(values), min: Math.min(...values), max: Math.max(...values) }
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [lower = NaN, upper = NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return (lower + upper) / 2
}

/** Name by name; a name that a round lacks counts in the others. */
function medians(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(records.flatMap((record) => Object.keys(record)))
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      medianOf(records.map((record) => record[name]).filter((value) => value !== undefined)),
    ]),
  )
}
