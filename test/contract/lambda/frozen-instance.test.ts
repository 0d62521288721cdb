import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { FaultyProxy } from '../../support/faulty-proxy.ts'
import { startFunctionServer, type FunctionServer } from '../../support/function-server.ts'

const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] }
/** Longer than an instance trusts what it cannot see. */
const LONG_REST_MS = 5_500

let server: FunctionServer
let database: TemporaryDatabase
let toRedis: FaultyProxy
let toMysql: FaultyProxy

beforeAll(async () => {
  database = await temporaryDatabase()
  toRedis = await FaultyProxy.inFrontOf(inject('redisUrl'))
  toMysql = await FaultyProxy.inFrontOf(database.url)
  server = await startFunctionServer({
    databaseUrl: database.url,
    through: { redisUrl: toRedis.urlOf(inject('redisUrl')), databaseUrl: toMysql.urlOf(database.url) },
  })
})

afterAll(async () => {
  await server.stop()
  await toRedis.close()
  await toMysql.close()
  await database.drop()
})

describe('an instance that was frozen for long', () => {
  it('does not put a customer’s request on connections that the network has forgotten', async () => {
    expect((await server.book('alice', wish)).status).toBe(202)
    expect((await server.ask('/performances')).status).toBe(200)
    toRedis.forgetAll()
    toMysql.forgetAll()
    await sleep(LONG_REST_MS)
    expect((await server.book('alice', wish)).status).toBe(202)
    expect((await server.ask('/performances')).status).toBe(200)
  })
})
