import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { Deployment, type House } from '../support/deployment.ts'
import { FaultyProxy, type Trap, type Trick } from '../support/faulty-proxy.ts'
import { untilShared } from '../support/ownership.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { deriveRequestId } from '../../shared/request-id.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/until.ts'

const house: House = { performanceId: 'hamlet', sectionIds: ['A'], rows: 1, seats: 10 }

/** The server rolls back within 5 s of silence, and a claim that waited for the locks tries again within 3.5 s. */
const TAKEN_OVER_WITHIN_MS = 12_000

/** So that the frozen one is taken for dead soon. */
const settings = { HEARTBEAT_MS: '100', MEMBER_TIMEOUT_MS: '600' }

/** By which Redis is asked to run it. */
const settleScript = hash(
  'sha1',
  readFileSync(new URL('../../shared/redis/scripts/settle.lua', import.meta.url)),
  'hex',
)

let deployment: Deployment
let functions: BundleProcess
let toRedis: FaultyProxy
let toMysql: FaultyProxy
/** Reaches its servers through the proxies. */
let frozen: BundleProcess

beforeEach(async () => {
  const servers = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
  deployment = await Deployment.on(servers, ownFolder())
  await deployment.putHouse(house)
  toRedis = await FaultyProxy.inFrontOf(deployment.redisUrl)
  toMysql = await FaultyProxy.inFrontOf(deployment.databaseUrl)
  functions = await deployment.startFunctions()
  frozen = await deployment.startConsumer({
    redisUrl: toRedis.urlOf(deployment.redisUrl),
    databaseUrl: toMysql.urlOf(deployment.databaseUrl),
    settings,
  })
  // Redis knows the scripts from now on, and the sections are in memory: what comes goes the short way.
  await untilShown('warm-up', await book('warm-up', '1-10'), 'CONFIRMED')
  await deployment.settled()
})
afterEach(async () => {
  await deployment.end()
  await Promise.all([toRedis.close(), toMysql.close()])
})

async function ask(
  customer: string,
  method: string,
  path: string,
  json?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(functions.url + path, {
    method,
    headers: {
      authorization: `Bearer ${await tokenFor(customer)}`,
      'content-type': 'application/json',
      'idempotency-key': 'k',
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  return (await response.json()) as Record<string, unknown>
}

async function book(customer: string, seatId: string): Promise<string> {
  const wish = { performanceId: 'hamlet', sectionId: 'A', seatIds: [seatId] }
  return String((await ask(customer, 'POST', '/bookings', wish))['requestId'])
}

const shown = (customer: string, requestId: string): Promise<Record<string, unknown>> =>
  ask(customer, 'GET', `/bookings/${requestId}`)

async function untilShown(
  customer: string,
  requestId: string,
  status: string,
  withinMs?: number,
): Promise<void> {
  await until(async () => (await shown(customer, requestId))['status'] === status, withinMs)
}

/** Books something and stops the consumer with its SIGSTOP where the trap is. */
async function freezeAt(trap: Trap, customer: string): Promise<string> {
  const requestId = await book(customer, '1-1')
  await trap.sprung
  frozen.freeze()
  return requestId
}

/** Which requests were decided after the warm-up, and whether by the one that decided that, by their epochs. */
async function decisions(): Promise<{ requestId: string; by: 'the frozen one' | 'a successor' }[]> {
  const rows = await deployment
    .knex('decisions')
    .orderBy('sequence')
    .select<{ request_id: string; epoch: number }[]>('request_id', 'epoch')
  const [warmUp, ...others] = rows
  return others.map(({ request_id: requestId, epoch }) => ({
    requestId,
    by: epoch === warmUp?.epoch ? 'the frozen one' : 'a successor',
  }))
}

describe('a consumer that is stopped', () => {
  it.each<[string, Trick]>([
    ['inside a transaction', 'hold-before'],
    ['inside a half-sent packet', 'hold-inside'],
  ])(
    '%s gives way to a successor within the connection’s time-outs, and commits nothing when it wakes',
    async (_, trick) => {
      const trap = toMysql.trap('COMMIT;', trick)
      const requestId = await freezeAt(trap, 'alice')
      const startedAt = performance.now()
      const successor = await deployment.startConsumer({ settings })
      await untilShown('alice', requestId, 'CONFIRMED', TAKEN_OVER_WITHIN_MS)
      expect(performance.now() - startedAt).toBeLessThan(TAKEN_OVER_WITHIN_MS)
      frozen.wake()
      trap.release()
      await trap.answered
      // It takes part again soon, with epochs of its own.
      await untilShared(deployment, [frozen, successor])
      expect(await frozen.count('frontrow_decisions_total')).toBe(1)
      expect(await decisions()).toEqual([{ requestId, by: 'a successor' }])
      expect(await successor.count('frontrow_wrong_memory_total')).toBe(0)
      expect((await deployment.audit('hamlet')).findings).toEqual([])
    },
  )

  it('before its transaction cannot begin it once somebody else has claimed', async () => {
    const trap = toMysql.trap('BEGIN;', 'hold-before')
    const requestId = await freezeAt(trap, 'alice')
    // The successor owns the partitions, and sees no entry yet: only its claim stands against the one that wakes.
    const blind = await FaultyProxy.inFrontOf(deployment.redisUrl)
    const reading = Array.from({ length: 16 }, () => blind.trap('xread', 'hold-before'))
    const successor = await deployment.startConsumer({ redisUrl: blind.urlOf(deployment.redisUrl), settings })
    await until(async () => (await successor.count('frontrow_partitions_owned')) === 64)
    frozen.wake()
    trap.release()
    await until(async () => (await frozen.count('frontrow_refused_commits_total')) === 1)
    // It takes part again by then, and may have claimed anew: what it decides under a newer epoch is another matter.
    expect((await decisions()).filter(({ by }) => by === 'the frozen one')).toEqual([])
    blind.disarm()
    for (const each of reading) each.release()
    await untilShown('alice', requestId, 'CONFIRMED')
    expect(await decisions()).toEqual([{ requestId, by: 'a successor' }])
    expect(await successor.count('frontrow_wrong_memory_total')).toBe(0)
    await deployment.settled()
    await blind.close()
  })

  it.each([
    ['over a newer one', false],
    ['where Redis has forgotten the newer one', true],
  ])('before settling shows no old outcome %s', async (_, isForgotten) => {
    const trap = toRedis.trap(settleScript, 'hold-before')
    const requestId = await freezeAt(trap, 'alice')
    await deployment.startConsumer({ settings })
    await untilShown('alice', requestId, 'CONFIRMED')
    await ask('alice', 'DELETE', `/bookings/${requestId}`)
    await untilShown('alice', requestId, 'CANCELLED')
    await deployment.settled()
    if (isForgotten)
      await deployment.redis.del(...(await deployment.keysLike('r')), ...(await deployment.keysLike('o')))
    frozen.wake()
    trap.release()
    await trap.answered
    expect(await shown('alice', requestId)).toMatchObject({ status: 'CANCELLED' })
    expect((await deployment.audit('hamlet')).findings).toEqual([])
  })

  it('before settling deletes no other request that stands at the same place by then', async () => {
    const trap = toRedis.trap(settleScript, 'hold-before')
    const alices = await freezeAt(trap, 'alice')
    const [stream = ''] = await deployment.keysLike('s')
    const [entry] = await deployment.redis.xrange(stream, '-', '+')
    const successor = await deployment.startConsumer({ settings })
    await untilShown('alice', alices, 'CONFIRMED')
    await deployment.settled()
    await successor.stop()
    // As after a failover to a copy without the tail: ids come again.
    const bobs = deriveRequestId('bob', 'hamlet', 'k')
    const fields = (entry?.[1] ?? []).map((field) =>
      field === alices ? bobs : field.replace('"alice"', '"bob"').replace('"1-1"', '"1-2"'),
    )
    await deployment.redis.del(stream)
    await deployment.redis.xadd(stream, entry?.[0] ?? '', ...fields)
    frozen.wake()
    trap.release()
    await trap.answered
    expect(await deployment.redis.xlen(stream)).toBe(1)
    await deployment.startConsumer({ settings })
    await untilShown('bob', bobs, 'CONFIRMED')
    await deployment.settled()
  })
})
