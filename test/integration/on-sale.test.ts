import { afterAll, beforeAll, expect, it } from 'vitest'
import type { FunctionServer } from '../support/function-server.ts'
import { outcomeOf, requestIdOf, World } from '../support/world.ts'

const CUSTOMERS = 2_000
const SECTIONS = ['A', 'B', 'C', 'D', 'E']
const ROWS = 4
const SEATS_PER_ROW = 10

let world: World
let servers: [FunctionServer, FunctionServer]

beforeAll(async () => {
  world = await World.create()
  servers = await Promise.all([world.startFunctions(), world.startFunctions()])
  await world.startConsumer()
  await world.putPerformance('premiere', { sections: SECTIONS, rows: ROWS, seats: SEATS_PER_ROW })
})
afterAll(async () => {
  await world.end()
})

interface Asked {
  readonly customer: string
  readonly sectionId: string
  readonly seatId: string
  readonly requestId: string
}

async function askForEverythingAtOnce(): Promise<Asked[]> {
  return Promise.all(
    Array.from({ length: CUSTOMERS }, async (_, i) => {
      const seat = i % (SECTIONS.length * ROWS * SEATS_PER_ROW)
      const sectionId = SECTIONS[seat % SECTIONS.length] ?? ''
      const place = Math.floor(seat / SECTIONS.length)
      const seatId = `${Math.floor(place / SEATS_PER_ROW) + 1}-${(place % SEATS_PER_ROW) + 1}`
      const customer = `customer-${i}`
      const wish = { performanceId: 'premiere', sectionId, seatIds: [seatId] }
      const answered = await (i % 2 === 0 ? servers[0] : servers[1]).book(customer, wish)
      if (answered.status !== 202) throw new Error(`not accepted: ${answered.status} ${answered.text}`)
      return { customer, sectionId, seatId, requestId: requestIdOf(answered) }
    }),
  )
}

it(
  'gives 200 seats that 2,000 customers ask for at once to those who came first',
  { timeout: 120_000 },
  async () => {
    const asked = await askForEverythingAtOnce()
    await world.settled()

    const outcomes = new Map<string, { status: unknown; requestedAt: string }>()
    for (const { customer, requestId } of asked) {
      const body = await outcomeOf(servers[0], customer, requestId)
      outcomes.set(requestId, { status: body['status'], requestedAt: String(body['requestedAt']) })
    }
    expect(outcomes.size).toBe(CUSTOMERS)

    // When each was accepted, to the microsecond, as the entry carried it.
    const rows = await world
      .knex('decisions')
      .select<{ request_id: string; requested_at_us: number }[]>('request_id', 'requested_at_us')
    const acceptedAt = new Map(rows.map((row) => [row.request_id, row.requested_at_us]))
    const bySeat = new Map<string, Asked[]>()
    for (const each of asked) {
      const seat = `${each.sectionId}/${each.seatId}`
      bySeat.set(seat, [...(bySeat.get(seat) ?? []), each])
    }
    expect(bySeat.size).toBe(200)
    for (const [seat, wanting] of bySeat) {
      const winners = wanting.filter(({ requestId }) => outcomes.get(requestId)?.status === 'CONFIRMED')
      const losers = wanting.filter(({ requestId }) => outcomes.get(requestId)?.status === 'REJECTED')
      expect([seat, winners.length, losers.length]).toEqual([seat, 1, wanting.length - 1])
      const first = Math.min(...wanting.map(({ requestId }) => acceptedAt.get(requestId) ?? 0))
      expect(acceptedAt.get(winners[0]?.requestId ?? '')).toBe(first)
    }

    const report = await world.audit('premiere')
    expect(report).toMatchObject({ decisions: CUSTOMERS, seatsTaken: 200, findings: [] })
  },
)
