import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { shardOfSlot, slotOf } from '../../shared/placement.ts'
import { EventClient } from '../support/event-client.ts'
import type { FunctionServer } from '../support/function-server.ts'
import { until } from '../support/until.ts'
import { bookAndWait, cancelAndWait, World, type RunningConsumer } from '../support/world.ts'

let world: World
let server: FunctionServer
let other: FunctionServer
let consumer: RunningConsumer
const clients: EventClient[] = []
let seat = 0

beforeAll(async () => {
  world = await World.create()
  server = await world.startFunctions()
  other = await world.startFunctions({ MAX_EVENT_STREAMS: '2' })
  consumer = await world.startConsumer()
  await world.putPerformance('hamlet', { sections: ['A', 'B'], rows: 10, seats: 50 })
  await world.putPerformance('macbeth', { sections: ['A'] })
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

afterAll(async () => {
  await world.end()
})

const watch = async (on: FunctionServer, lastEventId?: string, performanceId = 'hamlet') => {
  const client = await EventClient.open(`${on.url}/performances/${performanceId}/seat-changes`, lastEventId)
  clients.push(client)
  expect(client.status).toBe(200)
  return client
}
const nextSeat = () => {
  seat += 1
  return `${Math.floor(seat / 50) + 1}-${(seat % 50) + 1}`
}
const wish = (...seatIds: string[]) => ({ performanceId: 'hamlet', sectionId: 'A', seatIds })
const streamsOf = async (on: FunctionServer) =>
  Number(/^frontrow_event_streams (\d+)$/m.exec((await on.ask('/metrics')).text)?.[1])
const shard = () => shardOfSlot(world.topology, slotOf('hamlet'))

describe('GET /performances/{id}/seat-changes', () => {
  it('tells what is taken and freed, on every instance, and nothing of other performances', async () => {
    const watching = [await watch(server), await watch(other)]
    for (const client of watching) expect((await client.received(1))[0]).toEqual({ type: 'reset', data: {} })
    const [first, second] = [nextSeat(), nextSeat()]
    const booked = await bookAndWait(server, 'alice', wish(first, second))
    await bookAndWait(server, 'alice', { performanceId: 'macbeth', sectionId: 'A', seatIds: ['1-1'] })
    await bookAndWait(server, 'bob', wish(first))
    await cancelAndWait(server, 'alice', String(booked['requestId']))
    const expected = [
      { type: 'reset', data: {} },
      { type: 'taken', data: { sectionId: 'A', seatIds: [first, second] } },
      { type: 'freed', data: { sectionId: 'A', seatIds: [first, second] } },
    ]
    for (const client of watching) expect(await client.received(3)).toEqual(expected)
  })

  it('tells a client that comes back what it missed, wherever it comes back', async () => {
    const client = await watch(server)
    await client.received(1)
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await client.received(2)
    client.close()
    const [missed, live] = [nextSeat(), nextSeat()]
    await bookAndWait(server, 'alice', wish(missed))
    await world.settled()
    const back = await watch(other, client.lastEventId)
    await bookAndWait(server, 'alice', wish(live))
    expect((await back.received(2)).map(({ type, data }) => [type, data['seatIds']])).toEqual([
      ['taken', [missed]],
      ['taken', [live]],
    ])
    // Nothing missed, nothing told.
    const again = await watch(server, back.lastEventId)
    const last = nextSeat()
    await bookAndWait(server, 'alice', wish(last))
    expect((await again.received(1)).map(({ data }) => data['seatIds'])).toEqual([[last]])
  })

  it.each(['1-1', '0-0', '99999999999999-0', 'nonsense', ''])(
    'tells a client that was nowhere we know (%j) to load the map',
    async (lastEventId) => {
      const client = await watch(server, lastEventId)
      expect((await client.received(1))[0]?.type).toBe('reset')
    },
  )

  it('tells to load the map when what was missed is no longer kept', async () => {
    const client = await watch(server)
    await client.received(1)
    client.close()
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await world.settled()
    await world.redis.xtrim(world.keys.seatChanges(shard()), 'MAXLEN', 1)
    expect((await (await watch(server, client.lastEventId)).received(1))[0]?.type).toBe('reset')
  })

  it('tells those who watch to load the map when Redis forgot what was told', async () => {
    const client = await watch(server)
    await client.received(1)
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await client.received(2)
    await world.redis.del(world.keys.seatChanges(shard()))
    await bookAndWait(server, 'alice', wish(nextSeat()))
    expect((await client.received(3)).map(({ type }) => type)).toEqual(['reset', 'taken', 'reset'])
  })

  it('goes on when Redis forgot what was told and its clock went back', async () => {
    const client = await watch(server)
    await client.received(1)
    const key = world.keys.seatChanges(shard())
    // As told by a clock that was an hour ahead.
    await world.redis.xadd(key, `${Date.now() + 3_600_000}-0`, 'prev', '0-0', 'gap', '1')
    await client.received(2)
    await world.redis.del(key)
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await client.received(3)
    const last = nextSeat()
    await bookAndWait(server, 'alice', wish(last))
    const events = await client.received(4)
    expect(events.map(({ type }) => type)).toEqual(['reset', 'reset', 'reset', 'taken'])
    expect(events[3]?.data['seatIds']).toEqual([last])
  })

  it('tells them too when a batch was committed that was not told', async () => {
    const client = await watch(server)
    await client.received(1)
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await client.received(2)
    // As if the last batch but one had died between its commit and telling.
    const told = world.keys.seatChangesTold(shard())
    for (const [partition, place] of Object.entries(await world.redis.hgetall(told))) {
      await world.redis.hset(told, partition, Number(place) - 1)
    }
    await bookAndWait(server, 'alice', wish(nextSeat()))
    expect((await client.received(3)).map(({ type }) => type)).toEqual(['reset', 'taken', 'reset'])
  })

  it('tells nothing old: a consumer that slept since its commit comes too late', async () => {
    const client = await watch(server)
    await client.received(1)
    const told = world.keys.seatChangesTold(shard())
    const before = await world.redis.hgetall(told)
    for (const partition of Object.keys(before)) await world.redis.hset(told, partition, 2 ** 40)
    await bookAndWait(server, 'alice', wish(nextSeat()))
    await world.settled()
    for (const partition of Object.keys(before)) await world.redis.hdel(told, partition)
    const last = nextSeat()
    await bookAndWait(server, 'alice', wish(last))
    expect((await client.received(2)).map(({ data }) => data['seatIds'])).toEqual([undefined, [last]])
  })

  it('tells the net change: a seat that is given back and taken again is taken', async () => {
    const taken = nextSeat()
    const booked = await bookAndWait(server, 'alice', wish(taken))
    const client = await watch(server)
    await client.received(1)
    await consumer.stop()
    await server.ask(`/bookings/${String(booked['requestId'])}`, { method: 'DELETE', as: 'alice' })
    await server.book('bob', wish(taken))
    consumer = await world.startConsumer()
    await world.settled()
    expect((await client.received(2)).slice(1)).toEqual([
      { type: 'taken', data: { sectionId: 'A', seatIds: [taken] } },
    ])
  })

  it('is bounded, and has room again when a client has gone', async () => {
    await watch(other)
    const second = await watch(other)
    const refused = await other.ask('/performances/hamlet/seat-changes')
    expect([refused.status, refused.body['type']]).toEqual([503, 'urn:frontrow:problem:streams-exhausted'])
    expect(refused.headers.get('retry-after')).toBe('10')
    second.close()
    await until(async () => (await streamsOf(other)) === 1)
    await watch(other)
  })

  it('has room again when a client has gone that asked for two at once on one connection', async () => {
    await until(async () => (await streamsOf(server)) === 0)
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    const ask = 'GET /performances/hamlet/seat-changes HTTP/1.1\r\nhost: x\r\n\r\n'
    socket.write(ask + ask)
    await until(async () => (await streamsOf(server)) === 2)
    socket.destroy()
    await until(async () => (await streamsOf(server)) === 0)
  })

  it('knows no performance that is not there, and opens nothing for a HEAD', async () => {
    await until(async () => (await streamsOf(server)) === 0)
    expect((await server.ask('/performances/none/seat-changes')).status).toBe(404)
    expect((await server.ask('/performances/a.b/seat-changes')).status).toBe(404)
    const head = await server.ask('/performances/hamlet/seat-changes', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    expect(await streamsOf(server)).toBe(0)
  })

  it('ends when the server stops, which does not wait for it', async () => {
    const stopping = await world.startFunctions()
    const client = await watch(stopping)
    await client.received(1)
    const startedAt = performance.now()
    await stopping.stop()
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    await until(() => client.ended)
  })
})
