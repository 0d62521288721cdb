import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { FaultyProxy } from '../../support/faulty-proxy.ts'
import { startFunctionServer, until, type FunctionServer } from '../../support/function-server.ts'

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

/** Keeps the thread that writes in the background busy: a little later than usual is too late here. */
const SLOW_THREAD = `import{pbkdf2}from'node:crypto';const again=()=>pbkdf2('a','b',2e5,64,'sha512',again);again()`

describe('an instance that is frozen as soon as it has answered', () => {
  it('has logged the exchange by then', async () => {
    const slow = await startFunctionServer({
      databaseUrl: database.url,
      settings: {
        UV_THREADPOOL_SIZE: '1',
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SLOW_THREAD)}`,
      },
    })
    for (let i = 0; i < 10; i++) {
      const id = `frozen-${i}`
      await slow.ask('/livez', { headers: { 'x-request-id': id } })
      // Nobody wakes it up meanwhile: what is not in the pipe by now never comes.
      await until(() => slow.logged().includes(id), 1_000)
    }
    await slow.stop()
  })
})
