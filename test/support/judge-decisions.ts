/** A row of `decisions`, as plain SQL reads it. */
export interface DecisionRow {
  readonly request_id: string
  readonly command: string
  readonly customer_id: string
  readonly performance_id: string
  readonly section_id: string
  readonly seat_ids: string
  readonly status: string | null
  readonly reason: string | null
  readonly shard: number
  readonly partition_number: number
  readonly sequence: number
  readonly epoch: number
  readonly requested_at_us: number
}

/** Rows in the order in which they were decided, by section. */
function bySection(rows: readonly DecisionRow[]): Map<string, DecisionRow[]> {
  const sections = new Map<string, DecisionRow[]>()
  for (const row of [...rows].sort((a, b) => a.sequence - b.sequence)) {
    const name = `${row.performance_id}/${row.section_id}`
    const found = sections.get(name)
    if (found === undefined) sections.set(name, [row])
    else found.push(row)
  }
  return sections
}

/** Plays the decisions through, seat by seat, by rules written down here once more. */
export function judgeSeats(rows: readonly DecisionRow[], booked: ReadonlyMap<string, string>): string[] {
  const problems: string[] = []
  const held = new Map<string, string>()
  for (const [section, decisions] of bySection(rows)) {
    for (const row of decisions) {
      const seats = row.seat_ids.split(',').map((seat) => `${section}/${seat}`)
      const taken = seats.filter((seat) => held.has(seat))
      const say = (what: string): number => problems.push(`${row.customer_id}: ${what} at ${row.sequence}`)
      if (row.command === 'book' && row.status === 'CONFIRMED') {
        if (taken.length > 0) say(`got ${taken.join()}, which somebody had`)
        for (const seat of seats) held.set(seat, row.request_id)
      }
      if (row.command === 'book' && row.status === 'REJECTED' && taken.length === 0)
        say(`refused ${seats.join()}, which nobody had`)
      if (row.command === 'cancel' && row.status === 'CANCELLED') {
        for (const seat of seats) {
          if (held.get(seat) !== row.request_id) say(`gave back ${seat}, which was not theirs`)
          held.delete(seat)
        }
      }
    }
  }
  for (const [seat, request] of held) {
    if (booked.get(seat) !== request) problems.push(`${seat} is ${request}'s by the decisions only`)
  }
  for (const [seat, request] of booked) {
    if (!held.has(seat)) problems.push(`${seat} is ${request}'s by its row only`)
  }
  return problems
}

/** Each partition's places are 1, 2, 3, …, up to where its row says. */
export function judgeSequences(
  rows: readonly DecisionRow[],
  partitions: ReadonlyMap<string, number>,
): string[] {
  const places = new Map<string, number[]>()
  for (const { shard, partition_number, sequence } of rows) {
    const partition = `${shard}/${partition_number}`
    places.set(partition, [...(places.get(partition) ?? []), sequence])
  }
  const problems: string[] = []
  for (const [partition, sequence] of partitions) {
    const found = (places.get(partition) ?? []).sort((a, b) => a - b)
    const broken = found.findIndex((place, i) => place !== i + 1)
    if (broken >= 0)
      problems.push(`partition ${partition}: place ${found[broken] ?? 0} where ${broken + 1} should be`)
    if (found.length !== sequence)
      problems.push(`partition ${partition}: ${found.length} decisions, and a sequence of ${sequence}`)
  }
  return problems
}

/** First come, first served, within a section, by Redis' time of acceptance. */
export function judgeOrderByTime(rows: readonly DecisionRow[]): string[] {
  const problems: string[] = []
  for (const decisions of bySection(rows).values()) {
    let latest = 0
    for (const row of decisions) {
      if (row.requested_at_us < latest)
        problems.push(`${row.customer_id}: came before one who was decided earlier than ${row.sequence}`)
      latest = Math.max(latest, row.requested_at_us)
    }
  }
  return problems
}

/** The same as customers can tell, of whom one was accepted before the other asked. */
export function judgeOrderAsTold(
  rows: readonly DecisionRow[],
  askedAtMs: (row: DecisionRow) => number | undefined,
  acceptedAtMs: (row: DecisionRow) => number | undefined,
): string[] {
  const problems: string[] = []
  for (const decisions of bySection(rows).values()) {
    let earliestAccepted = Number.POSITIVE_INFINITY
    for (const row of decisions.toReversed()) {
      if (row.command === 'book' && (askedAtMs(row) ?? 0) > earliestAccepted)
        problems.push(
          `${row.customer_id}: asked after one who was decided later than ${row.sequence} was accepted`,
        )
      earliestAccepted = Math.min(earliestAccepted, acceptedAtMs(row) ?? earliestAccepted)
    }
  }
  return problems
}
