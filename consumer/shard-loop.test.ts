import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../shared/commands.ts'
import { commandId } from '../shared/commands.ts'
import { createLog } from '../shared/log.ts'
import { partitionOf, type Topology } from '../shared/placement.ts'
import { deriveRequestId } from '../shared/request-id.ts'
import type { CommitResult } from './commit-batch.ts'
import { CommitTurns } from './commit-turns.ts'
import type { Batch, Stake, StoredDecision } from './decide-batch.ts'
import { createConsumerMetrics } from './metrics.ts'
import type { Entry } from './parse-entry.ts'
import { SectionMemory, type LoadSections } from './section-memory.ts'
import { FREE, SeatHolders } from './seat-holders.ts'
import { SectionState } from './section-state.ts'
import { ShardLoop } from './shard-loop.ts'
import type { ShardLoopPorts } from './shard-loop-ports.ts'

const topology: Topology = { version: 1, shards: 1, partitionsPerShard: 4 }
const partition = partitionOf(topology, 'hamlet', 'A').number

/** Another section of the same partition. */
const neighbour =
  Array.from({ length: 100 }, (_, i) => `B${i}`).find(
    (sectionId) => partitionOf(topology, 'hamlet', sectionId).number === partition,
  ) ?? ''

const committed: CommitResult = { kind: 'committed', refused: new Set() }
const failed: CommitResult = { kind: 'failed', step: 'commit', failure: 'retry', cause: new Error('away') }

interface Commit {
  readonly batch: Batch
  readonly end: (result: CommitResult) => void
}

type Bounds = Partial<Pick<ShardLoopPorts, 'maxBatch' | 'aheadOf' | 'turns'>>

/** A loop whose effects the test decides, step by step. */
class Stage {
  /** What lies undecided on the stream. */
  readonly stream: Entry[] = []
  /** Transactions that were begun. */
  readonly commits: Commit[] = []
  /** What `recover` finds: where we stand in MySQL, and what is stored. */
  stakes = new Map<number, Stake>([[partition, { epoch: 1, sequence: 0 }]])
  readonly stored = new Map<string, StoredDecision>()
  /** Seats of section A that are taken, as MySQL has them. */
  readonly taken = new Map<string, string>()
  loads = 0
  /** What a load waits for, with what it has read. */
  loading: Promise<void> = Promise.resolve()
  readonly lost: number[] = []
  /** How long each read was ready to wait for entries, in milliseconds. */
  readonly blocks: number[] = []
  readonly loop: ShardLoop
  private cursor = 0
  private readonly running: Promise<void>

  constructor({ maxBatch = 1, aheadOf = 1, turns = new CommitTurns(1, 60_000) }: Bounds = {}) {
    const load: LoadSections = (keys) => {
      this.loads += 1
      const terms = { version: 1, startsAtMs: 9e15, saleOpensAtMs: undefined, saleClosesAtMs: undefined }
      const loaded = keys.map((key) => {
        const seats = key.sectionId === 'A' ? this.taken : new Map<string, string>()
        const holders = new Map(['1-1', '1-2', '1-3'].map((seat) => [seat, seats.get(seat) ?? FREE]))
        return { ...key, state: new SectionState({ terms, exists: true, holders: SeatHolders.of(holders) }) }
      })
      return this.loading.then(() => loaded)
    }
    this.loop = new ShardLoop({
      topology,
      shard: 0,
      shardSlot: 0,
      maxBatch,
      aheadOf,
      marksIn: () => undefined,
      turns,
      memory: new SectionMemory(load, 1_000),
      log: createLog('test', 'silent'),
      metrics: createConsumerMetrics(),
      read: async (request, offer) => {
        this.blocks.push(request.blockMs)
        // A turn of the event loop each, as a server would take.
        await new Promise((resolve) => setTimeout(resolve, 1))
        for (let left = request.limit; left > 0 && this.cursor < this.stream.length; this.cursor++) {
          const entry = this.stream[this.cursor]
          if (entry !== undefined && offer(entry)) left -= 1
        }
      },
      restartReading: () => {
        this.cursor = 0
      },
      interruptRead: () => undefined,
      findStored: (commands) =>
        Promise.resolve(
          new Map(
            commands.flatMap((command) => {
              const id = commandId(command)
              const found = this.stored.get(id)
              return found === undefined ? [] : [[id, found]]
            }),
          ),
        ),
      nowMs: () => 0,
      monotonicMs: () => 0,
      commit: (batch) =>
        new Promise((end) => {
          this.commits.push({ batch, end })
        }),
      settle: (batch) => {
        const gone = [...batch.decided, ...batch.repeats].map(({ entry }) => entry)
        for (const entry of gone) this.stream.splice(this.stream.indexOf(entry), 1)
        this.cursor = 0
        return Promise.resolve(gone.length)
      },
      recover: (stakes) => {
        return Promise.resolve(
          new Map([...this.stakes].filter(([number, { epoch }]) => stakes.get(number)?.epoch === epoch)),
        )
      },
      sleep: () => new Promise((resolve) => setTimeout(resolve, 1)),
      onLost: (partitions) => this.lost.push(...partitions),
      onServing: () => undefined,
    })
    this.loop.own(this.stakes)
    this.running = this.loop.run()
  }

  book(customer: string, seatId: string, sectionId = 'A'): string {
    const requestId = deriveRequestId(customer, 'hamlet', 'k')
    const fields = encodeCommand({
      kind: 'book',
      requestId,
      customerId: customer,
      ...{ performanceId: 'hamlet', sectionId, seatIds: [seatId] },
      requestedAtUs: 1_795_000_000_000_000,
      topologyVersion: 1,
      fingerprint: 'f'.repeat(43),
    })
    this.stream.push({ partition, id: `${this.stream.length + 1}-0`, fields })
    return requestId
  }

  rewind(): void {
    this.cursor = 0
  }

  /** The n-th transaction, as soon as it has begun. */
  async commit(n: number): Promise<Commit> {
    await waitUntil(() => this.commits.length >= n)
    const found = this.commits[n - 1]
    if (found === undefined) throw new Error('no such transaction')
    return found
  }

  async end(): Promise<void> {
    this.loop.stop()
    await this.running
  }
}

async function waitUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  throw new Error('waited in vain')
}

const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const decisionsOf = ({ batch }: Commit): object[] =>
  batch.decided.map(({ record: { customerId, status, epoch, sequence } }) => ({
    customerId,
    status,
    epoch,
    sequence,
  }))

describe('a batch that is decided ahead', () => {
  it('is not committed before the one it was decided on', async () => {
    const stage = new Stage()
    stage.book('alice', '1-1')
    stage.book('bob', '1-1')
    const first = await stage.commit(1)
    await settle(20)
    expect(stage.commits).toHaveLength(1)
    first.end(committed)
    const second = await stage.commit(2)
    expect(decisionsOf(second)).toEqual([{ customerId: 'bob', status: 'REJECTED', epoch: 1, sequence: 2 }])
    second.end(committed)
    await stage.end()
  })

  it('is thrown away with the one it was decided on, if that fails', async () => {
    const stage = new Stage()
    stage.book('alice', '1-1')
    stage.book('bob', '1-1')
    const first = await stage.commit(1)
    // Long enough for bob to be decided ahead, on alice's seat that is not hers yet.
    await settle(20)
    first.end(failed)
    const again = await stage.commit(2)
    expect(decisionsOf(again)).toEqual([{ customerId: 'alice', status: 'CONFIRMED', epoch: 1, sequence: 1 }])
    again.end(committed)
    const then = await stage.commit(3)
    expect(decisionsOf(then)).toEqual([{ customerId: 'bob', status: 'REJECTED', epoch: 1, sequence: 2 }])
    then.end(committed)
    await stage.end()
  })

  it('leaves nothing behind in memory when it is thrown away, not even where the failed one was not', async () => {
    const stage = new Stage()
    stage.book('alice', '1-1')
    stage.book('bob', '1-1', neighbour)
    const first = await stage.commit(1)
    await settle(20)
    first.end(failed)
    ;(await stage.commit(2)).end(committed)
    const bobs = await stage.commit(3)
    expect(decisionsOf(bobs)).toEqual([{ customerId: 'bob', status: 'CONFIRMED', epoch: 1, sequence: 2 }])
    bobs.end(committed)
    await stage.end()
  })

  it('is decided anew where the one before was committed although its answer was lost', async () => {
    const stage = new Stage()
    const alices = stage.book('alice', '1-1')
    stage.book('bob', '1-1')
    const first = await stage.commit(1)
    await settle(20)
    // What MySQL has by the time the locks are ours.
    stage.stakes = new Map([[partition, { epoch: 1, sequence: 1 }]])
    stage.taken.set('1-1', alices)
    stage.stored.set(alices, {
      ...{ status: 'CONFIRMED', reason: undefined, customerId: 'alice', performanceId: 'hamlet' },
      ...{ sectionId: 'A', seatIds: ['1-1'], fingerprint: 'f'.repeat(43), sequence: 1 },
      ...{ requestedAtUs: 0, decidedAtMs: 0 },
    })
    first.end(failed)
    const second = await stage.commit(2)
    expect(decisionsOf(second)).toEqual([{ customerId: 'bob', status: 'REJECTED', epoch: 1, sequence: 2 }])
    second.end(committed)
    await stage.end()
    expect(stage.stream).toEqual([])
  })
})

describe('a small batch', () => {
  it('waits for its turn, and takes all that has come meanwhile', async () => {
    const turns = new CommitTurns(1, 60_000)
    const others = await turns.take()
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns })
    stage.book('alice', '1-1')
    await settle(20)
    stage.book('bob', '1-2')
    await settle(20)
    expect(stage.commits).toHaveLength(0)
    others()
    const first = await stage.commit(1)
    expect(decisionsOf(first)).toHaveLength(2)
    // The turn is its own until it has committed.
    expect(turns.isFree).toBe(false)
    first.end(committed)
    await waitUntil(() => turns.isFree)
    await stage.end()
  })

  it('that had to wait after it was read takes what has come meanwhile along, and nothing twice', async () => {
    let asked = 0
    let grant = (): void => undefined
    const granted = new Promise<void>((resolve) => (grant = resolve))
    const turns: ShardLoopPorts['turns'] = {
      // Free until something was read.
      get isFree() {
        asked += 1
        return asked === 1
      },
      take: () => granted.then(() => () => undefined),
    }
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns })
    stage.book('alice', '1-1')
    await settle(20)
    stage.book('bob', '1-2')
    // As a cursor that was forgotten meanwhile: alice is met again.
    stage.rewind()
    grant()
    const first = await stage.commit(1)
    expect(decisionsOf(first)).toMatchObject([{ customerId: 'alice' }, { customerId: 'bob' }])
    expect(first.batch.echoes).toEqual([])
    first.end(committed)
    await stage.end()
  })

  it('that does not come is waited for at the stream, not in turns with other shards', async () => {
    const contended: ShardLoopPorts['turns'] = { isFree: false, take: () => Promise.resolve(() => undefined) }
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns: contended })
    await waitUntil(() => stage.blocks.length >= 6)
    // The first one only finds out what is there.
    expect(stage.blocks.slice(2).filter((ms) => ms > 0).length).toBeGreaterThanOrEqual(2)
    await stage.end()
  })

  it('gives its turn back when it fails, and while there is nothing to commit', async () => {
    const turns = new CommitTurns(1, 60_000)
    const others = await turns.take()
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns })
    await settle(20)
    others()
    await waitUntil(() => turns.isFree)
    stage.book('alice', '1-1')
    ;(await stage.commit(1)).end(failed)
    ;(await stage.commit(2)).end(committed)
    await waitUntil(() => turns.isFree)
    await stage.end()
  })

  it('whose partitions all leave while it waits for its turn reads nothing more', async () => {
    const turns = new CommitTurns(1, 60_000)
    const others = await turns.take()
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns })
    await settle(20)
    const released = stage.loop.release([partition])
    others()
    await released
    expect(stage.blocks).toEqual([])
    await stage.end()
  })

  it('lets others have their turn while it loads the section that it needs, and waits for another one', async () => {
    const turns = new CommitTurns(1, 60_000)
    const stage = new Stage({ maxBatch: 10, aheadOf: 10, turns })
    let loaded = (): void => undefined
    stage.loading = new Promise((resolve) => (loaded = resolve))
    stage.book('alice', '1-1')
    await waitUntil(() => stage.loads === 1)
    const others = await turns.take()
    loaded()
    await settle(20)
    expect(stage.commits).toHaveLength(0)
    others()
    const first = await stage.commit(1)
    expect(turns.isFree).toBe(false)
    first.end(committed)
    await waitUntil(() => turns.isFree)
    await stage.end()
  })

  it('is expected behind a small one; behind a large one nobody asks for a turn', async () => {
    const turns = new CommitTurns(1, 60_000)
    const stage = new Stage({ maxBatch: 2, aheadOf: 2, turns })
    for (const [customer, seat] of [
      ['alice', '1-1'],
      ['bob', '1-2'],
      ['carol', '1-3'],
    ] as const)
      stage.book(customer, seat)
    const first = await stage.commit(1)
    first.end(committed)
    const others = await turns.take()
    ;(await stage.commit(2)).end(committed)
    await settle(10)
    stage.book('dave', '1-1')
    await settle(20)
    expect(stage.commits).toHaveLength(2)
    others()
    ;(await stage.commit(3)).end(committed)
    await stage.end()
  })
})

describe('an owner', () => {
  it('that loses a partition and regains it decides anew, from the database, under its new epoch', async () => {
    const stage = new Stage()
    stage.book('alice', '1-1')
    const first = await stage.commit(1)
    stage.book('bob', '1-1')
    await settle(20)
    // Somebody else claimed meanwhile, and sold the seat.
    stage.stakes = new Map([[partition, { epoch: 2, sequence: 1 }]])
    stage.taken.set('1-1', deriveRequestId('somebody else', 'hamlet', 'k'))
    first.end({ kind: 'refused', refused: new Set([partition]) })
    await waitUntil(() => stage.lost.length > 0)
    await settle(10)
    expect(stage.loop.owned).toEqual([])
    expect(stage.commits).toHaveLength(1)
    stage.stakes = new Map([[partition, { epoch: 3, sequence: 1 }]])
    stage.loop.own(stage.stakes)
    const again = await stage.commit(2)
    expect(stage.loads).toBe(2)
    expect(decisionsOf(again)).toEqual([{ customerId: 'alice', status: 'REJECTED', epoch: 3, sequence: 2 }])
    again.end(committed)
    ;(await stage.commit(3)).end(committed)
    await stage.end()
  })

  it('that claims anew while seats are loading decides on none that were read before the claim', async () => {
    const stage = new Stage()
    let answer = (): void => undefined
    stage.loading = new Promise((resolve) => (answer = resolve))
    stage.book('alice', '1-1')
    // The seats have been read, and their answer is on its way.
    await waitUntil(() => stage.loads === 1)
    // Meanwhile somebody else owned the partition and sold the seat.
    stage.taken.set('1-1', deriveRequestId('bob', 'hamlet', 'k'))
    stage.stakes = new Map([[partition, { epoch: 3, sequence: 7 }]])
    stage.loop.own(stage.stakes)
    answer()
    const commit = await stage.commit(1)
    expect(decisionsOf(commit)).toEqual([{ customerId: 'alice', status: 'REJECTED', epoch: 3, sequence: 8 }])
    commit.end(committed)
    await stage.end()
  })

  it('that lets go of a partition finishes what is in flight of it, and reads no more', async () => {
    const stage = new Stage()
    stage.book('alice', '1-1')
    stage.book('bob', '1-2')
    const first = await stage.commit(1)
    // Bob is decided ahead by then; Carol comes too late and waits for the next owner.
    await settle(20)
    let isReleased = false
    const released = stage.loop.release([partition]).then(() => (isReleased = true))
    stage.book('carol', '1-3')
    first.end(committed)
    const second = await stage.commit(2)
    await settle(20)
    expect(isReleased).toBe(false)
    second.end(committed)
    await released
    await settle(20)
    expect(stage.loop.owned).toEqual([])
    expect(stage.commits).toHaveLength(2)
    expect(stage.stream).toHaveLength(1)
    await stage.end()
  })

  it('that regains a partition while a batch of its older epoch commits keeps the new epoch', async () => {
    const stage = new Stage()
    const alices = stage.book('alice', '1-1')
    const first = await stage.commit(1)
    // The batch came before the new claim, which waited for it: its place is behind the batch's.
    stage.taken.set('1-1', alices)
    stage.stakes = new Map([[partition, { epoch: 2, sequence: 1 }]])
    stage.loop.own(stage.stakes)
    first.end(committed)
    await settle(10)
    stage.book('bob', '1-2')
    const second = await stage.commit(2)
    expect(decisionsOf(second)).toEqual([{ customerId: 'bob', status: 'CONFIRMED', epoch: 2, sequence: 2 }])
    // A failure now must not make it believe that the partition is somebody else's.
    second.end(failed)
    const again = await stage.commit(3)
    expect(stage.lost).toEqual([])
    expect(decisionsOf(again)).toEqual([{ customerId: 'bob', status: 'CONFIRMED', epoch: 2, sequence: 2 }])
    again.end(committed)
    await stage.end()
  })
})
