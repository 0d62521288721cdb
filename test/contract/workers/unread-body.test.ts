import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'

const CHUNKS = 40
const CHUNK_BYTES = 64 * 1_024

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

/** Comes over a quarter of a second: an answer could come long before its end. */
function slowBody(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = 0
  return new ReadableStream({
    async pull(controller) {
      if (sent++ === CHUNKS) {
        controller.close()
        return
      }
      await sleep(6)
      controller.enqueue(new Uint8Array(CHUNK_BYTES))
    },
  })
}

describe('a body that nobody wants to read', () => {
  it.each([
    ['of another media type', 415, 'text/plain'],
    ['that is too large', 413, 'application/json'],
  ])('%s costs its sender no answer', async (_, status, type) => {
    for (let i = 0; i < 5; i++) {
      const headers = { 'idempotency-key': 'k', 'content-type': type }
      const answer = await server.ask('/bookings', { method: 'POST', as: 'alice', body: slowBody(), headers })
      expect(answer.status).toBe(status)
    }
  })
})
