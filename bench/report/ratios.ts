import { goals, type Goal } from './goals.ts'
import type { Figure } from './round-figures.ts'
import { spreadOf, type Round, type Spread, type Summary } from './summarize.ts'

/** How far a figure has come. `unknown`: a row that it needs was not measured, or has failed. */
type Reached = 'goal' | 'floor' | 'missed' | 'unknown'

/** A figure of the goals, round by round and then over the rounds. */
export interface Ratio {
  readonly title: string
  readonly floor: number | undefined
  readonly goal: number
  readonly better: Goal['better']
  readonly unit: Goal['unit']
  /** What counts: the median or the worst of the rounds. */
  readonly value: number | undefined
  readonly spread: Spread | undefined
  /** Median of what code that promises nothing came to; undefined where that is no question, or was not measured. */
  readonly plain: number | undefined
  /** Rounds that had it. */
  readonly rounds: number
  readonly reached: Reached
}

export function ratios({ rounds }: Summary): Ratio[] {
  return goals.map((goal) => {
    const { values, spread } = over(rounds, goal.of)
    const value = spread && valueOf(goal, spread)
    const { title, floor, better, unit } = goal
    return {
      ...{ title, floor, goal: goal.goal, better, unit, value, spread },
      plain: goal.plain && over(rounds, goal.plain).spread?.median,
      rounds: values.length,
      reached: reachedBy(goal, value),
    }
  })
}

function over(
  rounds: readonly Round[],
  figure: Figure,
): { readonly values: readonly number[]; readonly spread: Spread | undefined } {
  const values = rounds.map(figure).filter((value) => value !== undefined)
  return { values, spread: values.length === 0 ? undefined : spreadOf(values) }
}

function valueOf({ over, better }: Goal, { median, min, max }: Spread): number {
  if (over === 'median') return median
  return better === 'higher' ? min : max
}

function reachedBy({ floor, goal, better }: Goal, value: number | undefined): Reached {
  if (value === undefined) return 'unknown'
  const keeps = (bound: number): boolean => (better === 'higher' ? value >= bound : value <= bound)
  if (keeps(goal)) return 'goal'
  return floor !== undefined && keeps(floor) ? 'floor' : 'missed'
}
