import type { Ports } from './ports.ts'
import type { Run } from './run-on-shard.ts'

/** What a customer may still do, as the accept script counted it. */
interface Allowance {
  readonly left: number
  /** Until there is all of it again. */
  readonly resetSeconds: number
}

const NONE: Readonly<Record<string, string>> = {}

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-10: the policy and what is left under it. The limit is counted per
 * customer and shard, so another performance may have another count. None where there is no limit or it was not asked.
 */
export function rateLimitHeaders(limits: Ports['limits'], run: Run): Readonly<Record<string, string>> {
  const allowance = allowanceOf(limits, run)
  if (allowance === undefined) return NONE
  const windowSeconds = Math.ceil(limits.rateWindowMs / 1_000)
  return {
    'ratelimit-policy': `"customer";q=${limits.rateLimit};w=${windowSeconds}`,
    ratelimit: `"customer";r=${allowance.left};t=${allowance.resetSeconds}`,
  }
}

/** Undefined if the answer has none: no limit, or the script was not asked or refused before it counted. */
export function allowanceOf({ rateWindowMs }: Ports['limits'], run: Run): Allowance | undefined {
  const [left, ms] = run.kind === 'answer' ? run.answer.slice(3, 5) : []
  if (left === undefined || ms === undefined) return undefined
  // Where no window has begun, the first request begins one.
  const resetMs = Number(ms) < 0 ? rateWindowMs : Number(ms)
  return { left: Number(left), resetSeconds: Math.max(1, Math.ceil(resetMs / 1_000)) }
}
