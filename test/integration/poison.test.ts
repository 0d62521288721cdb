import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../shared/commands.ts'
import { partitionOf } from '../../shared/placement.ts'
import { deriveRequestId } from '../../shared/request-id.ts'
import { until, type FunctionServer } from '../support/function-server.ts'
import { bookAndWait, outcomeOf, requestIdOf, World, type RunningConsumer } from '../support/world.ts'

describe('what cannot be decided', () => {
  let world: World
  let server: FunctionServer
  let consumer: RunningConsumer
  let stream = ''

  beforeAll(async () => {
    world = await World.create()
    server = await world.startFunctions()
    consumer = await world.startConsumer()
    await world.putPerformance('hamlet', { rows: 5, seats: 40 })
    stream = world.streamOf('hamlet', 'A')
  })
  afterAll(async () => {
    await world.end()
  })

  const wish = (...seatIds: string[]): { performanceId: string; sectionId: string; seatIds: string[] } => ({
    performanceId: 'hamlet',
    sectionId: 'A',
    seatIds,
  })
  const fieldsOf = (key: string, changes: Record<string, unknown> = {}): [string, string] =>
    encodeCommand({
      kind: 'book',
      requestId: deriveRequestId('alice', 'hamlet', key),
      customerId: 'alice',
      performanceId: 'hamlet',
      sectionId: 'A',
      requestedAtUs: 1_795_000_000_000_000,
      topologyVersion: 1,
      seatIds: ['5-1'],
      fingerprint: 'f'.repeat(43),
      ...changes,
    })
  const deadLetters = async (): Promise<number> => {
    const [row] = await world.knex('dead_letters').count<{ n: number }[]>({ n: '*' })
    return row?.n ?? 0
  }

  it('is put aside, whatever it is, and the partition goes on', async () => {
    const hostile: (string | Buffer)[][] = [
      ['hello', 'world'],
      [deriveRequestId('alice', 'hamlet', 'h0'), '{}'],
      [`${fieldsOf('h0')[0]}/book`, fieldsOf('h0')[1]],
      fieldsOf('h0', { kind: 'upgrade' }),
      ['kind', 'upgrade', 'requestId', 'x'],
      fieldsOf('h1', { requestId: deriveRequestId('alice', 'macbeth', 'h1') }),
      fieldsOf('h2', { requestedAtUs: 1e300 }),
      fieldsOf('h3', { customerId: 'a'.repeat(300) }),
      fieldsOf('h4', { kind: 'cancel' }),
      fieldsOf('h5', { topologyVersion: 'newest' }),
      fieldsOf('h6', { seatIds: '['.repeat(200_000) }),
      fieldsOf('h7', { seatIds: Array.from({ length: 500 }, (_, i) => `1-${i}`) }),
      ['kind', 'x'.repeat(1_000_000)],
      Array.from({ length: 2_000 }, (_, i) => `field${i}`),
      ['__proto__', 'x', 'constructor', 'y'],
      ['kind', Buffer.from([0xff, 0xfe, 0x00, 0x80]), 'requestId', Buffer.from([0xc3, 0x28])],
    ]
    for (const fields of hostile) await world.redis.xadd(stream, '*', ...fields)
    expect(await bookAndWait(server, 'alice', wish('1-1'))).toMatchObject({ status: 'CONFIRMED' })
    await world.settled()
    expect(await deadLetters()).toBe(hostile.length)
    const bodies = (await world.knex('dead_letters').pluck('body')) as Buffer[]
    expect(Math.max(...bodies.map((body) => body.length))).toBeLessThanOrEqual(4_096)
  })

  it('is rejected as INTERNAL where it names a request', async () => {
    await world.redis.xadd(stream, '*', ...fieldsOf('named', { seatIds: [] }))
    await world.settled()
    const requestId = deriveRequestId('alice', 'hamlet', 'named')
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({
      status: 'REJECTED',
      reason: { code: 'INTERNAL' },
    })
  })

  it('does not undo a decision: a malformed entry in the name of a booking leaves it alone', async () => {
    const booked = await bookAndWait(server, 'alice', wish('1-2'), 'victim')
    await world.redis.xadd(stream, '*', ...fieldsOf('victim', { seatIds: [] }))
    await world.settled()
    expect(await outcomeOf(server, 'alice', String(booked['requestId']))).toMatchObject({
      status: 'CONFIRMED',
    })
  })

  it('goes to its section’s stream where it lies on another', async () => {
    const home = partitionOf(world.topology, 'hamlet', 'A')
    const elsewhere = world.keys.stream({ shard: (home.shard + 1) % 4, number: (home.number + 1) % 16 })
    await world.redis.xadd(elsewhere, '*', ...fieldsOf('stray', { seatIds: ['1-3'], topologyVersion: 7 }))
    await world.settled()
    const requestId = deriveRequestId('alice', 'hamlet', 'stray')
    expect(await outcomeOf(server, 'alice', requestId)).toMatchObject({
      status: 'CONFIRMED',
      seatIds: ['1-3'],
    })
    expect(await consumer.count('strays')).toBe(1)
  })

  it('has no place in the order of a section on whose stream it does not lie', async () => {
    // In a shard where nothing has happened yet, so that both partitions are about to give the same places.
    const used = partitionOf(world.topology, 'hamlet', 'A').shard
    const names = Array.from({ length: 100 }, (_, i) => `quiet-${i}`)
    const quiet = names.find((name) => partitionOf(world.topology, name, 'A').shard === (used + 2) % 4) ?? ''
    await world.putPerformance(quiet)
    const home = partitionOf(world.topology, quiet, 'A')
    const elsewhere = world.keys.stream({ shard: home.shard, number: (home.number + 1) % 16 })
    for (let i = 1; i <= 3; i++) {
      const requestId = deriveRequestId('alice', quiet, `lost${i}`)
      const fields = fieldsOf('', { requestId, performanceId: quiet, seatIds: [] })
      await world.redis.xadd(elsewhere, '*', ...fields)
    }
    await world.settled()
    for (let i = 1; i <= 3; i++) {
      const booked = await bookAndWait(server, 'bob', { ...wish(`1-${i}`), performanceId: quiet })
      expect(booked).toMatchObject({ status: 'CONFIRMED' })
    }
  })

  it('is found by halving its batch, when no retry can commit it, and the rest is decided', async () => {
    // Stands for data that the database will not take. Of a seat: then the rejection can still be stored.
    await world.knex.raw(`CREATE TRIGGER no_such_seat BEFORE INSERT ON booked_seats FOR EACH ROW
      BEGIN IF NEW.seat_id = '3-13' THEN SIGNAL SQLSTATE '45000'; END IF; END`)
    await consumer.stop()
    const asked = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => requestIdOf(await server.book(`c${i}`, wish(`3-${i + 1}`)))),
    )
    consumer = await world.startConsumer()
    await world.settled()
    const statuses = await Promise.all(asked.map((requestId, i) => outcomeOf(server, `c${i}`, requestId)))
    statuses.forEach((body, i) => {
      expect(body).toMatchObject(
        i === 12 ? { status: 'REJECTED', reason: { code: 'INTERNAL' } } : { status: 'CONFIRMED' },
      )
    })
    await world.knex.raw('DROP TRIGGER no_such_seat')
    expect(await bookAndWait(server, 'dave', wish('3-13'))).toMatchObject({ status: 'CONFIRMED' })
  })

  it('leaves a dead letter even where not even its rejection can be stored', async () => {
    const poisoned = deriveRequestId('eve', 'hamlet', 'poison')
    await world.knex.raw(`CREATE TRIGGER no_such_request BEFORE INSERT ON decisions FOR EACH ROW
      BEGIN IF NEW.request_id = '${poisoned}' THEN SIGNAL SQLSTATE '45000'; END IF; END`)
    expect(await bookAndWait(server, 'eve', wish('4-1'), 'poison')).toMatchObject({
      status: 'REJECTED',
      reason: { code: 'INTERNAL' },
    })
    // Also when Redis has forgotten all but the record.
    await world.redis.del(world.keys.outcome(poisoned))
    expect(await outcomeOf(server, 'eve', poisoned)).toMatchObject({
      status: 'REJECTED',
      reason: { code: 'INTERNAL' },
    })
    await world.knex.raw('DROP TRIGGER no_such_request')
    expect(await bookAndWait(server, 'frank', wish('4-1'))).toMatchObject({ status: 'CONFIRMED' })
  })

  it('is nothing for the audit, and memory agrees with the database', async () => {
    await until(async () => (await consumer.consumer.readiness()).state === 'running')
    expect((await world.audit('hamlet')).findings).toEqual([])
    expect(await consumer.count('wrongMemory')).toBe(0)
  })
})
