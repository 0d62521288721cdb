/** One row of the table in one round. */
export interface Measured {
  /** Stable id, e.g. 'limit/bare', 'limit/xadd', 'limit/bulk-inserts', 'plain/drain', 'peer/unique-key', 'ours/accept'. */
  readonly row: string
  /** Requests (or rows) that were answered as they should. */
  readonly count: number
  readonly seconds: number
  /** Microseconds of processor a request, by process role: server, consumer, redis, mysql, load. Missing where not known. */
  readonly cpuUs: Readonly<Record<string, number>>
  /** Latency in ms: p50, p90, p99, p99.9, max; missing for rows that have none. */
  readonly latencyMs?: Readonly<Record<string, number>>
  /** The row's own, e.g. refused, late, lost, rssMb. */
  readonly figures?: Readonly<Record<string, number>>
  /** What the checks found; empty if the row counts. */
  readonly wrong: readonly string[]
}
