import {
  bestPeerToPlain,
  costRatio,
  largestRss,
  rateRatio,
  sound,
  toBestPeer,
  type Figure,
} from './round-figures.ts'

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
  readonly of: Figure
  /**
   * The same by code that promises nothing (`plain/…`): what is left to gain, on this machine and with these libraries.
   * Where there is no such row, by what its parts take of the processors.
   */
  readonly plain?: Figure
}

/** What a booking takes at the least whose outcome is waited for, or read once. */
const WAITED = ['plain/accept', 'plain/drain']
const POLLED = [...WAITED, 'limit/bare']
/** What nearly everybody takes at the least where taken seats are refused at once. */
const REFUSED = ['limit/bare-post']

const usual = { better: 'higher', unit: '', over: 'median' } as const

export const goals: readonly Goal[] = [
  {
    ...usual,
    title: 'accept ÷ bare Hono',
    floor: 0.4,
    goal: 0.6,
    of: rateRatio('ours/accept', 'limit/bare'),
    plain: rateRatio('plain/accept', 'limit/bare'),
  },
  {
    ...usual,
    title: 'drain ÷ bulk inserts',
    floor: 0.45,
    goal: 0.6,
    of: rateRatio('ours/drain', 'limit/bulk-inserts'),
    plain: rateRatio('plain/drain', 'limit/bulk-inserts'),
  },
  {
    ...usual,
    title: 'whole way, distinct seats ÷ best peer',
    floor: 2.5,
    goal: 4,
    of: toBestPeer('ours/whole-polling', /^peer\/[^/]+$/),
    plain: bestPeerToPlain(/^peer\/[^/]+$/, POLLED),
  },
  {
    ...usual,
    title: 'whole way, hot seats ÷ best peer',
    floor: 2,
    goal: 4,
    of: toBestPeer('ours/hot-polling', /^peer\/[^/]+\/hot$/),
    plain: bestPeerToPlain(/^peer\/[^/]+\/hot$/, POLLED),
  },
  {
    ...usual,
    title: 'whole way, hot seats refused at once ÷ best peer',
    floor: 2,
    goal: 4,
    of: toBestPeer('ours/hot-at-once', /^peer\/[^/]+\/hot$/),
    plain: bestPeerToPlain(/^peer\/[^/]+\/hot$/, REFUSED),
  },
  {
    ...usual,
    title: 'whole way, Prefer: wait ÷ best peer',
    floor: 2,
    goal: 3,
    of: toBestPeer('ours/whole-wait', /^peer\/[^/]+$/),
    plain: bestPeerToPlain(/^peer\/[^/]+$/, WAITED),
  },
  {
    ...usual,
    title: 'status read ÷ bare Hono',
    floor: 0.5,
    goal: 0.7,
    of: rateRatio('ours/status', 'limit/bare'),
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
