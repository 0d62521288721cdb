import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'

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

describe('what no HTTP client would send', () => {
  it('is answered even if it cannot be routed', async () => {
    const text = await rawAnswer('GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1.1 400 /)
    expect(text.toLowerCase()).toContain('x-request-id: ')
    expect(text).toContain('urn:frontrow:problem:bad-request')
  })
})

function rawAnswer(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(request))
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('end', () => {
      resolve(text)
    })
    socket.on('error', reject)
  })
}
