/** The smallest of some values that a share of them does not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

/** The figures of some times in milliseconds, in one line. */
export function inFigures(times: readonly number[]): string {
  const [half, most, all] = [0.5, 0.99, 1].map((share) => Math.round(percentile(times, share)))
  return `p50 ${half ?? 0} ms, p99 ${most ?? 0} ms, max ${all ?? 0} ms of ${times.length}`
}
