import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
/** Far less than `Prefer: wait` may ask for. */
const CALL_TIMEOUT_MS = 3_000

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  server = await startFunctionServer({
    databaseUrl: database.url,
    settings: { CALL_TIMEOUT_MS: String(CALL_TIMEOUT_MS) },
  })
})

afterAll(async () => {
  await server.stop()
  await database.drop()
})

describe('a function that may not run for long', () => {
  it('answers who waits before AWS ends the call', async () => {
    const startedAt = performance.now()
    const answer = await server.ask('/bookings', {
      method: 'POST',
      as: 'alice',
      json: wish,
      headers: { 'idempotency-key': 'short', prefer: 'wait=20' },
    })
    expect([answer.status, answer.body['status']]).toEqual([202, 'PENDING'])
    expect(answer.headers.get('preference-applied')).toBe('wait=20')
    expect(performance.now() - startedAt).toBeGreaterThan(1_000)
  })
})
