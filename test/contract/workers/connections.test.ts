import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { startFunctionServer, until, type FunctionServer } from '../../support/function-server.ts'

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
    settings: { RATE_LIMIT: '0' },
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
