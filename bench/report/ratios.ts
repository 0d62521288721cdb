import { goals, type Goal } from './goals.ts'
import { spreadOf, type Spread, type Summary } from './summarize.ts'

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
  /** Rounds that had it. */
  readonly rounds: number
  readonly reached: Reached
}

export function ratios({ rounds }: Summary): Ratio[] {
  return goals.map((goal) => {
    const values = rounds.map((round) => goal.of(round)).filter((value) => value !== undefined)
    const spread = values.length === 0 ? undefined : spreadOf(values)
    const value = spread && valueOf(goal, spread)
    const { title, floor, better, unit } = goal
    return {
      ...{ title, floor, goal: goal.goal, better, unit, value, spread },
      rounds: values.length,
      reached: reachedBy(goal, value),
    }
  })
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
