import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeCommand, type CancelCommand } from '../../shared/commands.ts'
import { defineScripts } from '../../shared/redis/scripts.ts'
import { partitionOf } from '../../shared/placement.ts'
import type { Answered, FunctionServer } from '../support/function-server.ts'
import { until } from '../support/until.ts'
import {
  bookAndWait,
  cancelAndWait,
  outcomeOf,
  requestIdOf,
  World,
  type RunningConsumer,
} from '../support/world.ts'

const MARKED_MS = 60_000

let world: World
let server: FunctionServer
let consumer: RunningConsumer | undefined
let row = 0

beforeAll(async () => {
  world = await World.create()
  await world.putPerformance('hamlet', { rows: 30, seats: 5 })
  server = await world.startFunctions()
})

beforeEach(async () => {
  consumer ??= await startConsumer(MARKED_MS)
})

afterAll(async () => {
  await world.end()
})

const stopConsumer = async () => {
  await consumer?.stop()
  consumer = undefined
}
const withoutMarks = async () => {
  await stopConsumer()
  await world.redis.del(marks())
}
const startConsumer = (ms: number) => world.startConsumer({ TAKEN_SEATS_TTL_MS: String(ms) })
/** Seats that no other test asks for. */
const nextRow = () => {
  row += 1
  return row
}
const wish = (...seatIds: string[]) => ({ performanceId: 'hamlet', sectionId: 'A', seatIds })
const marks = () => world.keys.takenSeats(partitionOf(world.topology, 'hamlet', 'A').shard)
const isMarked = async (seatId: string) => (await world.redis.hexists(marks(), `hamlet/A/${seatId}`)) === 1
const refusal = ({ status, body }: Answered) => [status, body['type'], body['seatIds']]
const refused = (...seatIds: string[]) => [409, 'urn:frontrow:problem:seats-taken', seatIds]

const countDecisions = async () => (await world.knex('decisions').pluck('request_id')).length
const wrongRedis = '0'.repeat(40)

/** A seat of alice's that bob has asked for in vain. */
async function takenAndAskedFor(seatId: string): Promise<string> {
  const { requestId } = await bookAndWait(server, 'alice', wish(seatId), `first-${seatId}`)
  const inVain = await bookAndWait(server, 'bob', wish(seatId), `vain-${seatId}`)
  expect(inVain).toMatchObject({ status: 'REJECTED', reason: { code: 'SEAT_TAKEN', seatIds: [seatId] } })
  await until(() => isMarked(seatId))
  return String(requestId)
}

describe('a seat that somebody asked for in vain', () => {
  it('is refused at once to the next, of whom nothing is kept', async () => {
    const seatId = `${nextRow()}-1`
    await takenAndAskedFor(seatId)
    const decisions = await countDecisions()
    const answer = await server.book('carol', wish(seatId, `${row}-2`), `carol-${seatId}`)
    expect(refusal(answer)).toEqual(refused(seatId))
    expect(answer.body).toMatchObject({ status: 409, title: expect.any(String) as string })
    expect(await world.redis.xlen(world.streamOf('hamlet', 'A'))).toBe(0)
    const owners = await Promise.all(
      (await world.redis.keys(`${world.keyPrefix}*r:*`)).map((key) => world.redis.hget(key, 'customerId')),
    )
    expect(owners).not.toContain('carol')
    // The seat beside it, which she also wanted, is as free as before.
    expect(await bookAndWait(server, 'dave', wish(`${row}-2`))).toMatchObject({ status: 'CONFIRMED' })
    expect(await countDecisions()).toBe(decisions + 1)
    expect((await server.ask('/metrics')).text).toMatch(
      /frontrow_accepts_total\{command="book",answer="taken"\} 1/,
    )
  })

  it('is told to who asked before as it was decided', async () => {
    const seatId = `${nextRow()}-1`
    await takenAndAskedFor(seatId)
    const alice = await server.book('alice', wish(seatId), `first-${seatId}`)
    expect([alice.status, alice.body['status']]).toEqual([200, 'CONFIRMED'])
    const bob = await server.book('bob', wish(seatId), `vain-${seatId}`)
    expect([bob.status, bob.body['status']]).toEqual([200, 'REJECTED'])
    const other = await server.book('bob', wish(`${row}-2`), `vain-${seatId}`)
    expect(other.status).toBe(422)
  })

  it('is still told to whose it is when Redis has forgotten their request', async () => {
    const seatId = `${nextRow()}-1`
    const requestId = await takenAndAskedFor(seatId)
    await world.redis.del(world.keys.record(requestId), world.keys.outcome(requestId))
    const again = await server.book('alice', wish(seatId), `first-${seatId}`)
    expect([again.status, again.body['requestId']]).toEqual([202, requestId])
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({ status: 'CONFIRMED' })
  })

  it('may be asked for again from the moment in which its holder has asked to cancel', async () => {
    const seatId = `${nextRow()}-1`
    const requestId = await takenAndAskedFor(seatId)
    await stopConsumer()
    const cancel = await server.ask(`/bookings/${requestId}`, { method: 'DELETE', as: 'alice' })
    expect(cancel.status).toBe(202)
    // The cancel lies undecided on the stream, and carol stands behind it.
    const carol = await server.book('carol', wish(seatId))
    expect(carol.status).toBe(202)
    consumer = await startConsumer(MARKED_MS)
    expect(await outcomeOf(server, 'carol', requestIdOf(carol))).toMatchObject({ status: 'CONFIRMED' })
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({ status: 'CANCELLED' })
  })

  it('is not refused when it is free again, even if somebody has deleted the record of the cancel', async () => {
    const seatId = `${nextRow()}-1`
    const requestId = await takenAndAskedFor(seatId)
    expect(await cancelAndWait(server, 'alice', requestId)).toMatchObject({ status: 'CANCELLED' })
    expect(await world.redis.del(world.keys.record(`${requestId}/cancel`))).toBe(1)
    expect(await bookAndWait(server, 'carol', wish(seatId))).toMatchObject({ status: 'CONFIRMED' })
  })

  it('is not refused for a mark that comes late, when its holder has cancelled already', async () => {
    const seatId = `${nextRow()}-1`
    const requestId = await takenAndAskedFor(seatId)
    expect(await cancelAndWait(server, 'alice', requestId)).toMatchObject({ status: 'CANCELLED' })
    await world.redis.hset(marks(), `hamlet/A/${seatId}`, requestId)
    expect(await bookAndWait(server, 'carol', wish(seatId))).toMatchObject({ status: 'CONFIRMED' })
    // Now it is carol's, and whoever asks in vain for it says so.
    expect(await bookAndWait(server, 'dave', wish(seatId))).toMatchObject({ status: 'REJECTED' })
    await until(async () => (await server.book('erin', wish(seatId))).status === 409)
  })

  it('is not refused while a cancel is on its way to the section’s stream from another one', async () => {
    const seatId = `${nextRow()}-1`
    const requestId = await takenAndAskedFor(seatId)
    const home = partitionOf(world.topology, 'hamlet', 'A')
    const elsewhere = world.keys.stream({ shard: (home.shard + 1) % 4, number: home.number })
    const record = world.keys.record(`${requestId}/cancel`)
    const monitor = await world.redis.monitor()
    const seen: string[] = []
    monitor.on('monitor', (_time: string, [command = '', key = '']: string[]) => {
      if (key === record || key === world.keys.stream(home)) seen.push(`${command.toLowerCase()} ${key}`)
    })
    const cancel: CancelCommand = {
      kind: 'cancel',
      ...{ requestId, customerId: 'alice', performanceId: 'hamlet', sectionId: 'A' },
      ...{ requestedAtUs: Date.now() * 1_000, topologyVersion: 7 },
    }
    await world.redis.xadd(elsewhere, '*', ...encodeCommand(cancel))
    await until(async () => (await outcomeOf(server, 'alice', requestId))['status'] === 'CANCELLED')
    monitor.disconnect()
    // From the moment in which it is in line, its record says so.
    const inLine = seen.findIndex((line) => line === `xadd ${world.keys.stream(home)}`)
    expect(inLine).toBeGreaterThan(0)
    expect(seen.slice(0, inLine)).toContain(`hsetnx ${record}`)
    expect(await bookAndWait(server, 'carol', wish(seatId))).toMatchObject({ status: 'CONFIRMED' })
  })

  it('is not refused for what another Redis has marked, which may have lost a cancel', async () => {
    const seatId = `${nextRow()}-1`
    await takenAndAskedFor(seatId)
    expect((await server.book('carol', wish(seatId))).status).toBe(409)
    await world.redis.hset(marks(), '', wrongRedis)
    expect(await bookAndWait(server, 'carol', wish(seatId))).toMatchObject({ status: 'REJECTED' })
    // Whose rejection was decided here takes the place of the old marks.
    expect(await world.redis.hget(marks(), '')).not.toBe(wrongRedis)
    expect((await server.book('dave', wish(seatId))).status).toBe(409)
  })

  it('is marked only by an entry that lies there, in the Redis as of which it was decided, for no longer than it may', async () => {
    const stream = world.streamOf('hamlet', 'A')
    const [redisId = ''] = /(?<=^master_replid:)\w+/m.exec(await world.redis.info('replication')) ?? []
    const client = world.redis.duplicate()
    const scripts = defineScripts(client)
    const settle = async (lying: string, id: string) => {
      const entry = await world.redis.xadd(stream, '*', lying, '{}')
      await scripts.settle(
        [stream, marks()],
        [
          ...[1, 0, 1_000, 1_000, 'channel', 1, MARKED_MS, id],
          ...[1, String(entry), 'asked', 'asked', 'seat', 'holder'],
        ],
      )
      return world.redis.hget(marks(), 'seat')
    }
    await withoutMarks()
    expect(await settle('another', redisId)).toBe(null)
    expect(await settle('asked', wrongRedis)).toBe(null)
    expect(await settle('asked', redisId)).toBe('holder')
    // As if Redis' clock had been put back since.
    await world.redis.pexpire(marks(), 10 * MARKED_MS)
    expect(await settle('asked', redisId)).toBe('holder')
    expect(await world.redis.pttl(marks())).toBeLessThanOrEqual(MARKED_MS)
    await world.redis.pexpire(marks(), 1_000)
    expect(await settle('asked', redisId)).toBe('holder')
    expect(await world.redis.pttl(marks())).toBeLessThanOrEqual(1_000)
    await world.redis.del(stream, marks())
    client.disconnect()
  })

  it('is refused to one who could be let in by their rate, and does not count against it', async () => {
    const seatId = `${nextRow()}-1`
    await takenAndAskedFor(seatId)
    const limited = await world.startFunctions({ RATE_LIMIT: '2', RATE_WINDOW_MS: '60000' })
    for (let i = 0; i < 3; i++) {
      const answer = await limited.book('frank', wish(seatId))
      expect(refusal(answer)).toEqual(refused(seatId))
      expect(answer.headers.get('ratelimit')).toMatch(/^"customer";r=2;/)
    }
    expect((await limited.book('frank', wish(`${row}-2`))).status).toBe(202)
    expect((await limited.book('frank', wish(`${row}-3`))).status).toBe(202)
    expect((await limited.book('frank', wish(seatId))).status).toBe(429)
  })

  it('is decided anew when the mark is too old', async () => {
    await withoutMarks()
    consumer = await startConsumer(500)
    const seatId = `${nextRow()}-1`
    await takenAndAskedFor(seatId)
    await until(async () => !(await isMarked(seatId)))
    expect(await bookAndWait(server, 'carol', wish(seatId))).toMatchObject({ status: 'REJECTED' })
    await stopConsumer()
  })

  it('is decided every time where nobody wishes otherwise', async () => {
    await withoutMarks()
    consumer = await world.startConsumer()
    const seatId = `${nextRow()}-1`
    for (const customer of ['alice', 'bob', 'carol', 'dave']) {
      const status = customer === 'alice' ? 'CONFIRMED' : 'REJECTED'
      expect(await bookAndWait(server, customer, wish(seatId))).toMatchObject({ status })
    }
    await sleep(100)
    expect(await world.redis.exists(marks())).toBe(0)
  })
})
