import type { Deployment } from './deployment.ts'
import { acceptedAtMs, tell, wasAccepted, wasRefused, type Attempt, type Wished } from './history.ts'
import {
  judgeOrderAsTold,
  judgeOrderByTime,
  judgeSeats,
  judgeSequences,
  type DecisionRow,
} from './judge-decisions.ts'
import { tokenFor } from './tokens.ts'

export interface Evidence {
  readonly history: readonly Wished[]
  readonly deployment: Deployment
  /** A function server to ask for outcomes. */
  readonly url: string
  /** Redis was replaced by a copy without its tail: what it lost of the accepted is no fault, and came later if it came. */
  readonly tailLost?: boolean
  /** Redis' clock was changed: its times say nothing about the order. What customers can tell of it still holds. */
  readonly clockJumped?: boolean
}

/**
 * Reads the history and the servers when everything is settled, and answers with what is wrong, each with the history of
 * the request it is about. First the audit that is shipped; then checks of its own, which share no code with what they
 * check.
 */
export async function judge(evidence: Evidence): Promise<string[]> {
  const { history, deployment, tailLost = false, clockJumped = false } = evidence
  const all = await readDecisions(deployment)
  const performances = new Set(history.map(({ performanceId }) => performanceId))
  const rows = all.filter((row) => performances.has(row.performance_id))
  const wishes = new Map(history.map((wished) => [wished.customer, wished]))
  const problems = [
    ...(await judgeByAudit(evidence)),
    ...judgeTold(history, rows, tailLost),
    ...judgeRefusedSeats(history, rows, tailLost),
    ...judgeSeats(rows, await readSeats(deployment, performances)),
    ...judgeSequences(all, await readPartitions(deployment)),
    ...(clockJumped ? [] : judgeOrderByTime(rows)),
    ...judgeOrderAsTold(
      rows,
      (row) => wishes.get(row.customer_id)?.attempts[0]?.sentAtMs,
      (row) => acceptedAt(wishes.get(row.customer_id), row, tailLost),
    ),
    ...(await judgeLeftOvers(evidence)),
    ...(await judgeShown(evidence, rows)),
  ]
  return problems.map((problem) => withHistory(problem, wishes))
}

function acceptedAt(wished: Wished | undefined, row: DecisionRow, tailLost: boolean): number | undefined {
  // Of one that was lost and asked for again nobody can tell when it was accepted.
  if (wished === undefined || row.command !== 'book' || tailLost) return undefined
  return acceptedAtMs(wished)
}

/** Adds what its customer was told to a problem that names one. */
function withHistory(problem: string, wishes: ReadonlyMap<string, Wished>): string {
  const customer = /[\w-]+-customer-\d+/.exec(problem)?.[0] ?? ''
  const wished = wishes.get(customer)
  return wished === undefined ? problem : `${problem}\n    ${tell(wished)}`
}

async function judgeByAudit({ history, deployment }: Evidence): Promise<string[]> {
  const problems: string[] = []
  for (const performanceId of new Set(history.map((wished) => wished.performanceId))) {
    const { findings } = await deployment.audit(performanceId)
    problems.push(...findings.map((finding) => `audit: ${JSON.stringify(finding)}`))
  }
  return problems
}

async function readDecisions({ knex }: Deployment): Promise<DecisionRow[]> {
  const [rows] = (await knex.raw(
    `SELECT request_id, command, customer_id, performance_id, section_id, seat_ids, status, reason, shard,
       partition_number, sequence, epoch, requested_at_us FROM decisions`,
  )) as [DecisionRow[]]
  return rows
}

async function readSeats(
  { knex }: Deployment,
  performances: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const [rows] = (await knex.raw(
    `SELECT CONCAT(performance_id, '/', section_id, '/', seat_id) AS seat, request_id FROM booked_seats
       WHERE performance_id IN (?)`,
    [[...performances]] as never,
  )) as [{ seat: string; request_id: string }[]]
  return new Map(rows.map(({ seat, request_id }) => [seat, request_id]))
}

/** The sequence of each partition that decided anything, by shard and number. */
async function readPartitions({ knex }: Deployment): Promise<Map<string, number>> {
  const [[topology]] = (await knex.raw(
    'SELECT shards, version FROM topology ORDER BY version DESC LIMIT 1',
  )) as [{ shards: number; version: number }[]]
  const [rows] = (await knex.raw('SELECT slot, number, sequence FROM partitions WHERE topology_version = ?', [
    topology?.version ?? 0,
  ])) as [{ slot: number; number: number; sequence: number }[]]
  return new Map(
    rows.map((row) => [
      `${Math.floor((row.slot * (topology?.shards ?? 0)) / 16_384)}/${row.number}`,
      row.sequence,
    ]),
  )
}

/** What was promised to each customer, against what is stored. */
function judgeTold(history: readonly Wished[], rows: readonly DecisionRow[], tailLost: boolean): string[] {
  const problems: string[] = []
  const byCustomer = new Map<string, DecisionRow[]>()
  for (const row of rows) byCustomer.set(row.customer_id, [...(byCustomer.get(row.customer_id) ?? []), row])
  for (const wished of history) {
    const own = byCustomer.get(wished.customer) ?? []
    byCustomer.delete(wished.customer)
    const books = own.filter(({ command }) => command === 'book')
    const cancels = own.filter(({ command }) => command === 'cancel')
    const say = (what: string): number => problems.push(`${wished.customer}: ${what}`)
    if (wasAccepted(wished.attempts) && books.length === 0 && !tailLost) say('accepted and lost')
    if (wasRefused(wished.attempts) && own.length > 0) say('refused and carried out')
    if (books.length > 1) say('decided more than once')
    // Of a request that was rejected by then there was nothing to cancel, which is no refusal.
    const cancellable = books.some(({ status }) => status === 'CONFIRMED')
    if (
      wished.cancels.some(({ status }) => status === 202) &&
      cancellable &&
      cancels.length === 0 &&
      !tailLost
    )
      say('cancel accepted and lost')
    if (wasRefused(wished.cancels) && cancels.length > 0) say('cancel refused and carried out')
    if (cancels.length > wished.cancels.length) say('cancelled more often than asked')
    for (const book of books) {
      if (wished.requestId !== undefined && book.request_id !== wished.requestId)
        say(`decided as ${book.request_id}`)
      const asked = [wished.performanceId, wished.sectionId, wished.seatIds.join(',')]
      if ([book.performance_id, book.section_id, book.seat_ids].join() !== asked.join())
        say(`decided something else: ${book.section_id} ${book.seat_ids}`)
      if (!['CONFIRMED', 'REJECTED'].includes(book.status ?? ''))
        say(`decided as ${book.status ?? 'nothing'}`)
      // Every wish of the load is one that can be decided.
      if (book.status === 'REJECTED' && book.reason !== 'SEAT_TAKEN')
        say(`rejected as ${book.reason ?? 'nothing'}`)
    }
  }
  for (const customer of byCustomer.keys()) problems.push(`decided for ${customer}, who never asked`)
  return problems
}

/**
 * Who was refused a seat at once was refused one that another booking had: asked for before the answer, and not given back
 * before the question.
 */
function judgeRefusedSeats(
  history: readonly Wished[],
  rows: readonly DecisionRow[],
  tailLost: boolean,
): string[] {
  const confirmed = new Set(
    rows
      .filter(({ command, status }) => command === 'book' && status === 'CONFIRMED')
      .map((row) => row.customer_id),
  )
  const holders = new Map<string, Wished[]>()
  for (const wished of history.filter(({ customer }) => confirmed.has(customer))) {
    for (const seat of seatsOf(wished)) holders.set(seat, [...(holders.get(seat) ?? []), wished])
  }
  // A cancel that was lost with the tail gave nothing back.
  const hasGivenBack = ({ cancels }: Wished, ms: number): boolean =>
    !tailLost && cancels.some(({ status, answeredAtMs }) => status === 202 && answeredAtMs < ms)
  const wasTaken = (wished: Wished, { sentAtMs, answeredAtMs }: Attempt): boolean =>
    seatsOf(wished)
      .flatMap((seat) => holders.get(seat) ?? [])
      .some(
        (other) =>
          other !== wished &&
          (other.attempts[0]?.sentAtMs ?? Infinity) < answeredAtMs &&
          !hasGivenBack(other, sentAtMs),
      )
  return history.flatMap((wished) =>
    wished.attempts
      .filter((attempt) => attempt.problem === 'seats-taken' && !wasTaken(wished, attempt))
      .map(() => `${wished.customer}: refused seats that no other booking had`),
  )
}

function seatsOf({ performanceId, sectionId, seatIds }: Wished): string[] {
  return seatIds.map((seatId) => `${performanceId}/${sectionId}/${seatId}`)
}

/** What was refused has left nothing in Redis either. */
async function judgeLeftOvers({ history, deployment }: Evidence): Promise<string[]> {
  const refused = new Set(
    history.filter(({ attempts }) => wasRefused(attempts)).map(({ customer }) => customer),
  )
  if (refused.size === 0) return []
  const records = await deployment.keysLike('r')
  const owners = await Promise.all(records.map((record) => deployment.redis.hget(record, 'customerId')))
  return owners
    .filter((owner) => owner !== null && refused.has(owner))
    .map((owner) => `${owner ?? ''}: refused and remembered`)
}

/** What customers see over HTTP is what is stored. */
async function judgeShown(
  { history, url, tailLost = false }: Evidence,
  rows: readonly DecisionRow[],
): Promise<string[]> {
  const stored = new Map<string, DecisionRow>()
  for (const row of [...rows].sort((a, b) => a.sequence - b.sequence)) {
    if (row.status !== null) stored.set(row.request_id, row)
  }
  const problems: string[] = []
  const asked = history.filter(({ requestId, attempts }) => requestId !== undefined && wasAccepted(attempts))
  await inTurns(asked, 8, async ({ customer, requestId = '' }) => {
    const response = await fetch(`${url}/bookings/${requestId}`, {
      headers: { authorization: `Bearer ${await tokenFor(customer)}` },
    })
    const shown = (await response.json()) as { status?: string; reason?: { code?: string } }
    const truth = stored.get(requestId)
    if (truth === undefined && tailLost) return
    if (shown.status !== truth?.status || (shown.reason?.code ?? null) !== truth?.reason)
      problems.push(
        `${customer}: shown ${JSON.stringify(shown)}, stored ${truth?.status ?? 'nothing'} ${truth?.reason ?? ''}`,
      )
  })
  return problems
}

async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
