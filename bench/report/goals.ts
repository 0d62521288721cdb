import type { Measured } from '../row.ts'
import { perSecondOf, type Round } from './summarize.ts'

/** A figure that the benchmark must reach. */
export interface Goal {
  readonly title: string
  /** Below it something is wrong. */
  readonly floor: number | undefined
  readonly goal: number
  readonly better: 'higher' | 'lower'
  readonly unit: '' | 'ms' | 'MB' | 'requests'
  /** Over the rounds: the usual one, or the worst one where a single miss is a miss. */
  readonly over: 'median' | 'worst'
  /** The figure in one round; undefined where a row of it was not measured, or has failed. */
  readonly of: (round: Round) => number | undefined
}

const usual = { better: 'higher', unit: '', over: 'median' } as const

export const goals: readonly Goal[] = [
  { ...usual, title: 'accept ÷ bare Hono', floor: 0.4, goal: 0.6, of: ratio('ours/accept', 'limit/bare') },
  {
    ...usual,
    title: 'drain ÷ bulk inserts',
    floor: 0.45,
    goal: 0.6,
    of: ratio('ours/drain', 'limit/bulk-inserts'),
  },
  {
    ...usual,
    title: 'whole way, distinct seats ÷ best peer',
    floor: 2.5,
    goal: 4,
    of: toBestPeer('ours/whole-polling', /^peer\/[^/]+$/),
  },
  {
    ...usual,
    title: 'whole way, hot seats ÷ best peer',
    floor: 2,
    goal: 4,
    of: toBestPeer('ours/hot-polling', /^peer\/[^/]+\/hot$/),
  },
  {
    ...usual,
    title: 'whole way, Prefer: wait ÷ best peer',
    floor: 2,
    goal: 3,
    of: toBestPeer('ours/whole-wait', /^peer\/[^/]+$/),
  },
  {
    ...usual,
    title: 'status read ÷ bare Hono',
    floor: 0.5,
    goal: 0.7,
    of: ratio('ours/status', 'limit/bare'),
  },
  {
    ...usual,
    title: 'outcome known at half of saturation, p99',
    floor: 100,
    goal: 30,
    better: 'lower',
    unit: 'ms',
    of: (round) => sound(round, 'ours/latency-half')?.latencyMs?.['p99'],
  },
  {
    ...usual,
    title: 'flash crowd, accepted requests lost',
    floor: 0,
    goal: 0,
    better: 'lower',
    unit: 'requests',
    over: 'worst',
    // Of a row that has failed too: losing is what it fails for.
    of: (round) => round.get('ours/flash-crowd')?.figures?.['lost'],
  },
  {
    ...usual,
    title: 'flash crowd, accepted rate ÷ saturation',
    floor: undefined,
    goal: 0.8,
    of: (round) => sound(round, 'ours/flash-crowd')?.figures?.['acceptedToSaturation'],
  },
  {
    ...usual,
    title: 'CPU per booking, 10^6 requests ÷ 10^4',
    floor: 1.5,
    goal: 1.2,
    better: 'lower',
    of: costRatio('scale/requests/1000000', 'scale/requests/10000'),
  },
  {
    ...usual,
    title: 'CPU per booking, 4,096 partitions ÷ 64',
    floor: 1.5,
    goal: 1.2,
    better: 'lower',
    of: costRatio('scale/partitions/4096', 'scale/partitions/64'),
  },
  {
    ...usual,
    title: 'resident memory of a function or consumer under 10^6 requests',
    floor: 400,
    goal: 200,
    better: 'lower',
    unit: 'MB',
    over: 'worst',
    of: (round) => largestRss(sound(round, 'scale/requests/1000000')),
  },
]

/** A row of a round, unless its checks found something. */
function sound(round: Round, row: string): Measured | undefined {
  const measured = round.get(row)
  return measured?.wrong.length === 0 ? measured : undefined
}

function ratio(above: string, below: string): Goal['of'] {
  return (round) => quotient(rateOf(sound(round, above)), rateOf(sound(round, below)))
}

/** Against the peer that was the best in that round; a peer that answered wrongly is none. */
function toBestPeer(row: string, peers: RegExp): Goal['of'] {
  return (round) => {
    const rates = [...round.keys()]
      .filter((name) => peers.test(name))
      .map((name) => rateOf(sound(round, name)) ?? 0)
    return quotient(rateOf(sound(round, row)), Math.max(0, ...rates))
  }
}

function costRatio(large: string, small: string): Goal['of'] {
  return (round) => quotient(costOf(sound(round, large)), costOf(sound(round, small)))
}

function rateOf(measured: Measured | undefined): number | undefined {
  return measured && perSecondOf(measured)
}

/** Processor time of a booking in microseconds, the generator's left out. */
function costOf(measured: Measured | undefined): number | undefined {
  if (measured === undefined) return undefined
  return Object.entries(measured.cpuUs).reduce((sum, [role, us]) => (role === 'load' ? sum : sum + us), 0)
}

function largestRss(measured: Measured | undefined): number | undefined {
  const sizes = Object.entries(measured?.figures ?? {})
    .filter(([name]) => /rssMb$/i.test(name))
    .map(([, size]) => size)
  return sizes.length === 0 ? undefined : Math.max(...sizes)
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  return above === undefined || below === undefined || below === 0 ? undefined : above / below
}
