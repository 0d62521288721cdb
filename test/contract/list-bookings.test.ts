import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bookingIdsOf } from '../../functions/read-bookings.ts'
import { deriveRequestId } from '../../shared/request-id.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../support/function-server.ts'
import { storeDecision } from './settled.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1', '1-2'] }

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({ databaseUrl: database.url })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

const someone = () => `c-${randomBytes(6).toString('hex')}`

describe('GET /bookings', () => {
  it('lists the caller’s decided bookings, newest first, in pages', async () => {
    const customer = someone()
    const ids: string[] = []
    for (let i = 0; i < 7; i++) {
      const requestId = deriveRequestId(customer, 'hamlet', `list-${i}`)
      ids.unshift(requestId)
      // Two of the same microsecond, to see that none is left out between pages.
      const requestedAtUs = 1_795_000_000_000_000 + Math.floor(i / 2)
      await storeDecision(server, {
        requestId,
        customerId: customer,
        wish,
        status: 'CONFIRMED',
        requestedAtUs,
      })
    }
    await storeDecision(server, {
      requestId: ids[0] ?? '',
      customerId: customer,
      wish,
      command: 'cancel',
      status: 'CANCELLED',
    })
    const seen: { requestId: string; status: string; requestedAt: string }[] = []
    let next: unknown = undefined
    do {
      const cursor = typeof next === 'string' ? `&cursor=${next}` : ''
      const { status, body } = await server.ask(`/bookings?limit=3${cursor}`, { as: customer })
      expect(status).toBe(200)
      seen.push(...(body['bookings'] as typeof seen))
      next = body['next']
    } while (next !== undefined)
    expect(seen).toHaveLength(7)
    expect(new Set(seen.map(({ requestId }) => requestId))).toEqual(new Set(ids))
    expect(seen.map(({ requestedAt }) => requestedAt)).toEqual(
      seen
        .map(({ requestedAt }) => requestedAt)
        .sort()
        .reverse(),
    )
    expect(seen.filter(({ status }) => status === 'CANCELLED').map(({ requestId }) => requestId)).toEqual([
      ids[0],
    ])
    expect((await server.ask('/bookings', { as: someone() })).body).toEqual({ bookings: [] })
  })

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=nonsense'])('refuses ?%s', async (query) => {
    const answer = await server.ask(`/bookings?${query}`, { as: someone() })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ errors: [{ pointer: `#/${query.split('=')[0] ?? ''}` }] })
  })

  it('reads a page from the index, without sorting', async () => {
    const customer = someone()
    for (let i = 0; i < 60; i++) {
      const [owner, requestId] = [
        i % 3 === 0 ? customer : someone(),
        deriveRequestId(customer, 'hamlet', `many-${i}`),
      ]
      await storeDecision(server, {
        requestId,
        customerId: owner,
        wish,
        status: 'CONFIRMED',
        requestedAtUs: 1_000 + i,
      })
    }
    await server.knex.raw('ANALYZE TABLE decisions')
    const plans: { key: string; Extra: string }[] = []
    const statements: { sql: string; bindings: readonly unknown[] }[] = []
    server.knex.on('query', (query: { sql: string; bindings: readonly unknown[] }) => statements.push(query))
    await bookingIdsOf(server.knex, customer, undefined, 5)
    await bookingIdsOf(server.knex, customer, { requestedAtUs: 1_030, requestId: 'f'.repeat(36) }, 5)
    server.knex.removeAllListeners('query')
    for (const { sql, bindings } of statements) {
      const explain = `EXPLAIN FORMAT=TRADITIONAL ${sql}`
      const [rows] = (await server.knex.raw(explain, [...bindings] as string[])) as [typeof plans]
      plans.push(...rows)
    }
    expect(plans).toHaveLength(2)
    for (const plan of plans) {
      expect(plan.key).toBe('decisions_customer')
      expect(plan.Extra).not.toContain('filesort')
    }
  })
})
