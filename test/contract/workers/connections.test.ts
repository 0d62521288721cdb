import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { deriveRequestId } from '../../../shared/request-id.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, until, type FunctionServer } from '../../support/function-server.ts'
import { tokenFor } from '../../support/tokens.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
const user = `w${randomBytes(6).toString('hex')}`

let server: FunctionServer
let database: TemporaryDatabase

beforeAll(async () => {
  database = await temporaryDatabase()
  const redisUrl = new URL(inject('redisUrl'))
  redisUrl.username = user
  redisUrl.password = 'known-to-this-test-only'
  // The server's own connections by the names of those who made them.
  const probe = await startFunctionServer({ databaseUrl: database.url, unready: true })
  await probe.redis.acl('SETUSER', user, 'on', `>${redisUrl.password}`, '~*', '&*', '+@all')
  await probe.stop()
  server = await startFunctionServer({
    databaseUrl: database.url,
    through: { redisUrl: redisUrl.href },
    settings: { RATE_LIMIT: '0', MAX_WAITERS: '1' },
  })
})

afterAll(async () => {
  await server.redis.acl('DELUSER', user)
  await server.stop()
  await database.drop()
})

async function openConnections(): Promise<{ redis: number; mysql: number }> {
  const clients = String(await server.redis.client('LIST'))
  const name = new URL(database.url).pathname.slice(1)
  const [[row]] = (await server.knex.raw(
    'SELECT COUNT(*) AS count FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()',
    [name],
  )) as [[{ count: number }]]
  const own = 2
  return {
    redis: clients.split('\n').filter((line) => line.includes(`user=${user} `)).length,
    mysql: Math.max(0, row.count - own),
  }
}

const waitFor = (key: string, seconds: number) =>
  server.ask('/bookings', {
    method: 'POST',
    as: 'alice',
    json: wish,
    headers: { 'idempotency-key': key, prefer: `wait=${seconds}` },
  })

describe('connections on Workers', () => {
  it('end with the request that they were made for', async () => {
    for (let i = 0; i < 10; i++) {
      const answers = await Promise.all([
        server.book('alice', wish),
        server.ask('/bookings', { as: 'alice' }),
        server.ask('/readyz'),
      ])
      expect(answers.map(({ status }) => status)).toEqual([202, 200, 200])
    }
    await until(async () => {
      const { redis, mysql } = await openConnections()
      return redis === 0 && mysql === 0
    })
  })
})

/** Between two looks for an outcome, and something for a busy machine. */
const ONE_LOOK_MS = 250 + 500

/**
 * A client that waits. It hangs up with a reset, as Cloudflare's network tells a Worker: workerd by itself, on a plain
 * socket, sees nothing of a mere end before it has something to write.
 */
async function waitingClient(key: string): Promise<{ hangUp: () => void }> {
  const client = request(`${server.url}/bookings`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenFor('alice')}`,
      'content-type': 'application/json',
      'idempotency-key': key,
      prefer: 'wait=20',
    },
  })
  client.on('error', () => undefined)
  client.end(JSON.stringify(wish))
  return { hangUp: () => client.socket?.resetAndDestroy() }
}

describe('a client on Workers that waits and hangs up', () => {
  it('costs no more looks, and its place is free for the next', async () => {
    const client = await waitingClient('hung-up')
    const record = server.keys.record(deriveRequestId('alice', wish.performanceId, 'hung-up'))
    await until(async () => (await server.redis.exists(record)) === 1)
    const crowded = await waitFor('beside', 1)
    expect([crowded.status, crowded.headers.get('preference-applied')]).toEqual([202, null])
    await until(async () => (await openConnections()).redis === 1)
    client.hangUp()
    await until(async () => (await openConnections()).redis === 0, ONE_LOOK_MS)
    const next = await waitFor('next', 1)
    expect([next.status, next.headers.get('preference-applied')]).toEqual([202, 'wait=1'])
  })
})
