import type { Knex } from 'knex'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimPartitions, type ShardKey } from '../../consumer/claim-partitions.ts'
import { commitBatch, type CommitResult } from '../../consumer/commit-batch.ts'
import type { Batch, DecisionRecord } from '../../consumer/decide-batch.ts'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { firstSlotOfShard, partitionOf, slotOf } from '../../shared/placement.ts'
import { deriveRequestId } from '../../shared/request-id.ts'
import { until } from '../support/function-server.ts'
import { bookAndWait, outcomeOf, requestIdOf, World } from '../support/world.ts'

let world: World

/** As a consumer's. */
let commits: Knex

beforeEach(async () => {
  world = await World.create()
  commits = connectMysql(world.database.config, 'commit', 4)
})
afterEach(async () => {
  await commits.destroy()
  await world.end()
})

describe('a second consumer', () => {
  it('takes its share under load, and everything when the first one leaves; nothing is lost or decided twice', async () => {
    const server = await world.startFunctions()
    await world.putPerformance('hamlet', { sections: ['A', 'B', 'C', 'D'], rows: 10, seats: 40 })
    const first = await world.startConsumer()
    const accepted: { customer: string; requestId: string }[] = []
    const sale = { on: true }
    const load = (async () => {
      for (let i = 0; sale.on; i++) {
        const wish = {
          performanceId: 'hamlet',
          sectionId: 'ABCD'[i % 4] ?? 'A',
          seatIds: [`${(i % 10) + 1}-${(i % 40) + 1}`],
        }
        accepted.push({ customer: `c${i}`, requestId: requestIdOf(await server.book(`c${i}`, wish)) })
      }
    })()
    await until(() => accepted.length > 200)
    const second = await world.startConsumer()
    await until(async () => (await first.consumer.readiness()).owned === 32)
    expect((await second.consumer.readiness()).owned).toBe(32)
    let before = accepted.length
    await until(() => accepted.length > before + 200)
    await first.stop()
    await until(async () => (await second.consumer.readiness()).owned === 64)
    before = accepted.length
    await until(() => accepted.length > before + 100)
    sale.on = false
    await load
    await world.settled()
    for (const { customer, requestId } of accepted) {
      expect((await outcomeOf(server, customer, requestId))['status']).toMatch(/CONFIRMED|REJECTED/)
    }
    expect(await world.audit('hamlet')).toMatchObject({ decisions: accepted.length, findings: [] })
    expect(await second.count('wrongMemory')).toBe(0)
  })

  it('sees what the first one sold, although it looked at the same seats before', async () => {
    const server = await world.startFunctions()
    await world.putPerformance('hamlet')
    const wish = (seatId: string): { performanceId: string; sectionId: string; seatIds: string[] } => ({
      performanceId: 'hamlet',
      sectionId: 'A',
      seatIds: [seatId],
    })
    const first = await world.startConsumer()
    await bookAndWait(server, 'alice', wish('1-1'))
    const second = await world.startConsumer()
    await first.stop()
    expect(await bookAndWait(server, 'bob', wish('1-1'))).toMatchObject({ status: 'REJECTED' })
    expect(await second.count('wrongMemory')).toBe(0)
  })
})

/** A batch of one decision, as if decided by an owner with this stake. */
function batchOf(world: World, performanceId: string, key: string, epoch: number, before: number): Batch {
  const { number } = partitionOf(world.topology, performanceId, 'A')
  const requestId = deriveRequestId('alice', performanceId, key)
  const record: DecisionRecord = {
    slot: slotOf(performanceId),
    requestId,
    command: 'book',
    customerId: 'alice',
    performanceId,
    sectionId: 'A',
    seatIds: [`1-${key}`],
    fingerprint: 'f'.repeat(43),
    status: 'CONFIRMED',
    reason: undefined,
    performanceVersion: 1,
    partition: number,
    epoch,
    sequence: before + 1,
    requestedAtUs: 1_795_000_000_000_000,
  }
  return {
    decided: [{ entry: { partition: number, id: '1-1', fields: [] }, record }],
    deadLetters: [],
    repeats: [],
    echoes: [],
    strays: [],
    malformed: [],
    buried: [],
    stakes: new Map([[number, { epoch, before, after: before + 1 }]]),
    versions: [{ performanceId, version: 1 }],
    freed: [],
    taken: [{ slot: record.slot, performanceId, sectionId: 'A', seatId: `1-${key}`, requestId }],
    sections: [],
  }
}

describe('the fence', () => {
  const shardKeyOf = (performanceId: string): ShardKey => {
    const { shard } = partitionOf(world.topology, performanceId, 'A')
    return { slot: firstSlotOfShard(world.topology, shard), topologyVersion: world.topology.version }
  }
  const commit = (batch: Batch, performanceId: string, knex = commits): Promise<CommitResult> =>
    commitBatch(batch, {
      knex,
      shard: partitionOf(world.topology, performanceId, 'A').shard,
      shardKey: shardKeyOf(performanceId),
      nowMs: Date.now(),
    })
  const claim = async (performanceId: string, owner: string, generation = 0): Promise<number | undefined> => {
    const { number } = partitionOf(world.topology, performanceId, 'A')
    let epoch: number | undefined
    await claimPartitions(
      world.knex,
      shardKeyOf(performanceId),
      [number],
      { owner, generation, nowMs: 1 },
      ({ stakes }) => {
        epoch = stakes.get(number)?.epoch ?? epoch
      },
    )
    return epoch
  }

  it('lets an owner commit until somebody else has claimed, and never after', async () => {
    await world.putPerformance('hamlet')
    const mine = (await claim('hamlet', 'me')) ?? 0
    expect(await commit(batchOf(world, 'hamlet', '1', mine, 0), 'hamlet')).toMatchObject({
      kind: 'committed',
    })
    const theirs = (await claim('hamlet', 'them')) ?? 0
    expect(theirs).toBe(mine + 1)
    expect(await commit(batchOf(world, 'hamlet', '2', mine, 1), 'hamlet')).toMatchObject({ kind: 'refused' })
    // Claimed back: what was decided under the older epoch still does not commit.
    const again = (await claim('hamlet', 'me')) ?? 0
    expect(await commit(batchOf(world, 'hamlet', '2', mine, 1), 'hamlet')).toMatchObject({ kind: 'refused' })
    expect(await commit(batchOf(world, 'hamlet', '2', again, 1), 'hamlet')).toMatchObject({
      kind: 'committed',
    })
    expect(await world.knex('decisions').pluck('sequence')).toEqual([1, 2])
  })

  it('leaves a partition alone that a newer generation has given away', async () => {
    const now = await claim('hamlet', 'newer', 5)
    expect(await claim('hamlet', 'older', 4)).toBeUndefined()
    expect(await claim('hamlet', 'same', 5)).toBe((now ?? 0) + 1)
  })

  it('notices memory that does not agree with the database, by statement', async () => {
    await world.putPerformance('hamlet')
    const epoch = (await claim('hamlet', 'me')) ?? 0
    await commit(batchOf(world, 'hamlet', '1', epoch, 0), 'hamlet')
    expect(await commit(batchOf(world, 'hamlet', '1', epoch, 1), 'hamlet')).toEqual({ kind: 'repeated' })
    const taken = batchOf(world, 'hamlet', '2', epoch, 1)
    const sameSeat = { ...taken, taken: taken.taken.map((row) => ({ ...row, seatId: '1-1' })) }
    expect(await commit(sameSeat, 'hamlet')).toEqual({ kind: 'wrong-memory', step: 'take-seats' })
    const freed = { ...taken, taken: [], freed: taken.taken }
    expect(await commit(freed, 'hamlet')).toEqual({ kind: 'wrong-memory', step: 'free-seats' })
    expect(await commit(batchOf(world, 'hamlet', '2', epoch, 0), 'hamlet')).toEqual({
      kind: 'wrong-memory',
      step: 'sequences',
    })
    // Of another section, so that no other key speaks against its place in the order.
    const behind = batchOf(world, 'hamlet', '3', epoch, 0)
    const decided = behind.decided.map(({ entry, record }) => ({
      entry,
      record: { ...record, sectionId: 'B' },
    }))
    expect(await commit({ ...behind, decided }, 'hamlet')).toEqual({
      kind: 'wrong-memory',
      step: 'sequences',
    })
    await world.putPerformance('hamlet', { seats: 11 })
    expect(await commit(taken, 'hamlet')).toEqual({ kind: 'stale', performances: ['hamlet'] })
    expect(await world.knex('booked_seats').pluck('seat_id')).toEqual(['1-1'])
  })

  it('frees more seats at once than one statement carries', async () => {
    await world.putPerformance('hamlet')
    const epoch = (await claim('hamlet', 'me')) ?? 0
    const first = batchOf(world, 'hamlet', '1', epoch, 0)
    const seats = first.taken.flatMap((row) =>
      Array.from({ length: 2_500 }, (_, seat) => ({ ...row, seatId: `1-${seat}` })),
    )
    expect(await commit({ ...first, taken: seats }, 'hamlet')).toMatchObject({ kind: 'committed' })
    const second = { ...batchOf(world, 'hamlet', '2', epoch, 1), taken: [], freed: seats }
    expect(await commit(second, 'hamlet')).toMatchObject({ kind: 'committed' })
    expect(await world.knex('booked_seats').pluck('seat_id')).toEqual([])
  })

  it('reaches every row that it locks by primary key, however small the table', async () => {
    const [one = '', two = ''] = neighbours(world)
    await world.putPerformance(one)
    await world.putPerformance(two)
    const epochs = [(await claim(one, 'me')) ?? 0, (await claim(two, 'me')) ?? 0] as const
    const both = (key: string, before: number): Batch => {
      const [a, b] = [
        batchOf(world, one, key, epochs[0], before),
        batchOf(world, two, key, epochs[1], before),
      ]
      return {
        ...a,
        decided: [...a.decided, ...b.decided],
        stakes: new Map([...a.stakes, ...b.stakes]),
        versions: [...a.versions, ...b.versions],
        taken: [...a.taken, ...b.taken],
      }
    }
    expect(await commit(both('1', 0), one)).toMatchObject({ kind: 'committed' })
    const statements: { sql: string; bindings: unknown[] }[] = []
    const listen = (query: { sql: string; bindings?: unknown[] }): void => {
      let used = 0
      for (const sql of query.sql.split(';\n')) {
        const bindings = (query.bindings ?? []).slice(used, (used += sql.split('?').length - 1))
        if (sql.includes('STRAIGHT_JOIN')) statements.push({ sql, bindings })
      }
    }
    commits.on('query', listen)
    world.knex.on('query', listen)
    expect(await commit({ ...both('2', 1), freed: both('1', 0).taken }, one)).toMatchObject({
      kind: 'committed',
    })
    // A dead letter has the batch written step by step.
    const [slot, entry] = [0, { partition: 0, id: '1-1', fields: [] }]
    const letter = { slot, entry, requestId: undefined, command: undefined, reason: 'a test' }
    const third = { ...both('3', 2), freed: both('2', 1).taken, deadLetters: [letter] }
    expect(await commit(third, one)).toMatchObject({ kind: 'committed' })
    await claimPartitions(
      world.knex,
      shardKeyOf(one),
      [0, 1, 2],
      { owner: 'me', generation: 0, nowMs: 1 },
      () => undefined,
    )
    commits.off('query', listen)
    world.knex.off('query', listen)
    expect(statements.length).toBeGreaterThanOrEqual(9)
    for (const { sql, bindings } of statements) {
      // Named, because MySQL 9 answers with a tree of text otherwise.
      const [plan] = (await world.knex.raw(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, bindings as never)) as [
        Record<string, unknown>[],
      ]
      const locked = plan.filter(
        ({ table }) => typeof table === 'string' && table.length === 1 && table !== 'w',
      )
      expect(locked.map(({ type, key }) => ({ type, key }))).toEqual([{ type: 'eq_ref', key: 'PRIMARY' }])
    }
  })

  it('never makes a batch wait for a batch of other partitions, on an empty table or a full one', async () => {
    // Two performances of one shard, whose section A lies in different partitions.
    const [one = '', two = ''] = neighbours(world)
    await world.putPerformance(one)
    await world.putPerformance(two)
    const epochs = { [one]: (await claim(one, 'a')) ?? 0, [two]: (await claim(two, 'b')) ?? 0 }
    const slow = connectMysql(world.database.config, 'commit', 1)
    try {
      for (let round = 0; round < 3; round++) {
        // Hold every lock of a batch of `one` open, freeing and taking seats, while `two` commits the like.
        const held = freeing(batchOf(world, one, String(round + 1), epochs[one] ?? 0, round), one, round)
        const inside = await holdOpen(slow, held)
        const other = freeing(batchOf(world, two, String(round + 1), epochs[two] ?? 0, round), two, round)
        const started = performance.now()
        expect(await commit(other, two)).toMatchObject({ kind: 'committed' })
        expect(performance.now() - started).toBeLessThan(1_000)
        await inside.release()
      }
    } finally {
      await slow.destroy()
    }

    /** Besides what the batch takes, it frees what the round before took. */
    function freeing(batch: Batch, performanceId: string, round: number): Batch {
      return { ...batch, freed: round === 0 ? [] : batchOf(world, performanceId, String(round), 1, 0).taken }
    }

    /** Runs a batch's transaction up to its COMMIT, and stops there. */
    async function holdOpen(knex: typeof slow, batch: Batch): Promise<{ release(): Promise<void> }> {
      let letGo = (): void => undefined
      const gate = new Promise<void>((resolve) => (letGo = resolve))
      let reached = (): void => undefined
      const atCommit = new Promise<void>((resolve) => (reached = resolve))
      const gated = new Proxy(knex, {
        get(target, property, receiver) {
          if (property !== 'transaction') return Reflect.get(target, property, receiver) as unknown
          return (work: Parameters<typeof knex.transaction>[0]) =>
            target.transaction(async (trx) => {
              const result: unknown = await work(trx)
              reached()
              await gate
              return result
            })
        },
      })
      const done = commit(batch, one, gated)
      await atCommit
      return {
        release: async () => {
          letGo()
          expect(await done).toMatchObject({ kind: 'committed' })
        },
      }
    }
  })
})

function neighbours(world: World): string[] {
  const found = new Map<number, string>()
  for (let i = 0; found.size < 2; i++) {
    const { shard, number } = partitionOf(world.topology, `p${i}`, 'A')
    if (shard === 0) found.set(number, `p${i}`)
  }
  return [...found.values()]
}
