import type { Measured } from '../row.ts'
import { perSecondOf, type Round } from './summarize.ts'

/** A figure in one round; undefined where a row of it was not measured, or has failed. */
export type Figure = (round: Round) => number | undefined

/** A row of a round, unless its checks found something. */
export function sound(round: Round, row: string): Measured | undefined {
  const measured = round.get(row)
  return measured?.wrong.length === 0 ? measured : undefined
}

export function rateRatio(above: string, below: string): Figure {
  return (round) => quotient(rateOf(sound(round, above)), rateOf(sound(round, below)))
}

/** Against the peer that was the best in that round; a peer that answered wrongly is none. */
export function toBestPeer(row: string, peers: RegExp): Figure {
  return (round) => quotient(rateOf(sound(round, row)), rateOf(bestPeer(round, peers)))
}

/**
 * How many times as much processor time the best peer takes for a request as these rows together, the generator's with it:
 * all of them share the machine.
 */
export function bestPeerToPlain(peers: RegExp, parts: readonly string[]): Figure {
  return (round) => {
    const costs = parts.map((row) => wholeCostOf(sound(round, row)))
    const known = costs.filter((cost) => cost !== undefined)
    if (known.length < parts.length) return undefined
    return quotient(
      wholeCostOf(bestPeer(round, peers)),
      known.reduce((sum, cost) => sum + cost, 0),
    )
  }
}

function bestPeer(round: Round, peers: RegExp): Measured | undefined {
  const sorted = [...round.keys()]
    .filter((name) => peers.test(name))
    .map((name) => sound(round, name))
    .filter((measured) => measured !== undefined)
    .sort((a, b) => perSecondOf(b) - perSecondOf(a))
  return sorted[0]
}

export function costRatio(large: string, small: string): Figure {
  return (round) => quotient(costOf(sound(round, large)), costOf(sound(round, small)))
}

function rateOf(measured: Measured | undefined): number | undefined {
  return measured && perSecondOf(measured)
}

/** Processor time of a booking in microseconds, the generator's left out. */
function costOf(measured: Measured | undefined): number | undefined {
  const whole = wholeCostOf(measured)
  return whole === undefined ? undefined : whole - (measured?.cpuUs['load'] ?? 0)
}

function wholeCostOf(measured: Measured | undefined): number | undefined {
  return measured && Object.values(measured.cpuUs).reduce((sum, us) => sum + us, 0)
}

export function largestRss(measured: Measured | undefined): number | undefined {
  const sizes = Object.entries(measured?.figures ?? {})
    .filter(([name]) => /rssMb$/i.test(name))
    .map(([, size]) => size)
  return sizes.length === 0 ? undefined : Math.max(...sizes)
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  return above === undefined || below === undefined || below === 0 ? undefined : above / below
}
