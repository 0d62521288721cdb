import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'
import { tokenFor } from '../../support/tokens.ts'

const BODY_BYTES = 9 * 1_024 * 1_024

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

/** A client that reads nothing before it has sent everything. @throws if the connection is cut before */
async function sendThenRead(contentType: string): Promise<string> {
  const head = [
    'POST /bookings HTTP/1.1',
    'Host: a',
    `Authorization: Bearer ${await tokenFor('alice')}`,
    'Idempotency-Key: k',
    `Content-Type: ${contentType}`,
    'Transfer-Encoding: chunked',
  ]
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  await once(socket, 'connect')
  const chunk = `${BODY_BYTES.toString(16)}\r\n${'x'.repeat(BODY_BYTES)}\r\n0\r\n\r\n`
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.write(`${head.join('\r\n')}\r\n\r\n${chunk}`, () => {
      resolve()
    })
  })
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer.toString()
}

describe('a body that nobody wants to read', () => {
  it.each([
    ['of another media type', 415, 'text/plain'],
    ['that is too large', 413, 'application/json'],
  ])('%s costs its sender no answer', async (_, status, type) => {
    expect(await sendThenRead(type)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })
})
