import { describe, expect, it } from 'vitest'
import type { Beat } from './failure-detector.ts'
import { Member } from './member.ts'
import type { PartitionMap } from './partition-map.ts'
import type { MemberEffect, MemberEvent } from './protocol.ts'

const TICK_MS = 50
const PARTITIONS = 4

/** One member among others that are mere entries in Redis; servers answer at once, unless a test says otherwise. */
class Surroundings {
  nowMs = 0
  readonly beats = new Map<string, Beat>()
  readonly maps: PartitionMap[] = []
  redisId = 'one'
  mysqlAnswers = true
  redisAnswers = true
  lockIsFree = true
  /** Effects that ask for something, in order. */
  readonly done: MemberEffect[] = []
  readonly member = new Member({
    name: 'me',
    partitions: PARTITIONS,
    heartbeatMs: 250,
    memberTimeoutMs: 3_000,
    random: () => 0.5,
  })
  private readonly others = new Map<string, { counter: number; isAlive: boolean }>()

  /** Another member that beats until it dies. */
  join(name: string): { die(): void; leave(): void } {
    const other = { counter: 1, isAlive: true }
    this.others.set(name, other)
    return {
      die: () => {
        other.isAlive = false
      },
      leave: () => {
        this.others.delete(name)
        this.beats.set(name, { counter: other.counter, leaving: true })
      },
    }
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += TICK_MS) {
      for (const [name, other] of this.others) {
        if (!other.isAlive || this.nowMs % 250 !== 0) continue
        other.counter += 1
        this.beats.set(name, { counter: other.counter, leaving: false })
      }
      this.tell({ kind: 'tick' })
    }
  }

  tell(event: MemberEvent): void {
    for (const effect of this.member.handle(event, this.nowMs)) this.carryOut(effect)
  }

  get newest(): PartitionMap | undefined {
    return this.maps.at(-1)
  }

  count(kind: MemberEffect['kind']): number {
    return this.done.filter((effect) => effect.kind === kind).length
  }

  private carryOut(effect: MemberEffect): void {
    this.done.push(effect)
    switch (effect.kind) {
      case 'probe':
        this.tell({ kind: 'probed', ok: this.mysqlAnswers })
        break
      case 'exchange':
        if (!this.redisAnswers) {
          this.tell({ kind: 'exchange-failed' })
          break
        }
        if (effect.beat !== undefined) this.beats.set('me', effect.beat)
        this.tell({ kind: 'exchanged', beats: new Map(this.beats), redisId: this.redisId })
        break
      case 'read-map':
        this.tell({ kind: 'map-read', newest: this.newest, highest: this.newest?.generation ?? 0 })
        break
      case 'lock':
        this.tell({ kind: this.lockIsFree ? 'locked' : 'lock-refused', attempt: effect.attempt })
        break
      case 'store-map':
        if ((this.newest?.generation ?? 0) >= effect.map.generation) {
          this.tell({ kind: 'map-refused', attempt: effect.attempt })
          break
        }
        this.maps.push(effect.map)
        this.tell({ kind: 'map-stored', attempt: effect.attempt, map: effect.map })
        break
      case 'claim':
        this.tell({
          kind: 'claimed',
          generation: effect.generation,
          partitions: effect.partitions,
          refused: [],
        })
        break
      case 'stamp':
        this.tell({ kind: 'stamped', generation: effect.generation, kept: effect.partitions, lost: [] })
        break
      case 'release':
        this.tell({ kind: 'released', partitions: effect.partitions })
        break
      case 'unlock':
      case 'broadcast':
      case 'depart':
        break
    }
  }
}

const membersOf = (map: PartitionMap | undefined): readonly string[] => map?.assignment.members ?? []

describe('a member', () => {
  it('makes the first map, owns everything, and makes no other while nothing changes', () => {
    const around = new Surroundings()
    around.pass(60_000)
    expect(around.member.phase).toBe('active')
    expect(around.member.owned).toEqual([0, 1, 2, 3])
    expect(around.maps).toHaveLength(1)
    expect(around.count('unlock')).toBe(around.count('lock'))
  })

  it('shares with who joins, and takes over from who dies, within the time-out and half a second', () => {
    const around = new Surroundings()
    around.pass(1_000)
    const other = around.join('other')
    around.pass(1_000)
    expect(membersOf(around.newest)).toEqual(['me', 'other'])
    expect(around.member.owned).toHaveLength(2)
    other.die()
    around.pass(3_500)
    expect(membersOf(around.newest)).toEqual(['me'])
    expect(around.member.owned).toHaveLength(4)
    expect(around.maps).toHaveLength(3)
    // The dead are taken out of Redis, at the counter at which they were seen.
    around.pass(500)
    const forgotten = around.done.flatMap((effect) => (effect.kind === 'exchange' ? [...effect.forget] : []))
    expect(new Set(forgotten.map(([name]) => name))).toEqual(new Set(['other']))
  })

  it('gathers many who come at once into one generation', () => {
    const around = new Surroundings()
    around.pass(1_000)
    for (let i = 0; i < 9; i++) around.join(`other-${i}`)
    around.pass(2_000)
    expect(around.maps).toHaveLength(2)
    expect(membersOf(around.newest)).toHaveLength(10)
  })

  it('makes nobody wait for ever where changes never stop', () => {
    const around = new Surroundings()
    around.pass(1_000)
    for (let i = 0; i < 30; i++) {
      around.join(`other-${i}`)
      around.pass(100)
    }
    expect(around.maps.length).toBeGreaterThan(2)
    expect(around.maps.length).toBeLessThan(8)
  })

  it('does not undo a newer map by a look at the others from before it', () => {
    const around = new Surroundings()
    around.pass(1_000)
    // Somebody has seen a member come, and said so before it shows in what this one has seen.
    around.redisAnswers = false
    const map = { generation: 2, assignment: { members: ['me', 'new'], owners: [0, 0, 1, 1] } }
    around.maps.push(map)
    around.tell({ kind: 'map-heard', map })
    around.pass(1_000)
    expect(around.maps).toHaveLength(2)
    around.redisAnswers = true
    around.join('new')
    around.pass(5_000)
    expect(around.maps).toHaveLength(2)
  })

  it('judges nobody while it makes no progress itself, nor right after', () => {
    const around = new Surroundings()
    around.join('other')
    around.pass(2_000)
    const before = around.maps.length
    around.mysqlAnswers = false
    const counter = around.beats.get('me')?.counter
    around.pass(1_000)
    around.join('other').die()
    around.pass(5_000)
    // Its own counter stands still, so that the others see it; taken out for dead it does not show itself anew.
    expect(around.beats.get('me')?.counter).toBe(counter)
    around.beats.delete('me')
    around.pass(5_000)
    expect(around.beats.has('me')).toBe(false)
    expect(around.maps).toHaveLength(before)
    around.mysqlAnswers = true
    around.pass(2_500)
    expect(around.maps).toHaveLength(before)
    around.pass(1_500)
    expect(membersOf(around.newest)).toEqual(['me'])
  })

  it('does not put itself into a map while it makes progress too rarely', () => {
    const around = new Surroundings()
    around.join('other')
    around.pass(1_000)
    around.mysqlAnswers = false
    around.pass(4_000)
    const generation = (around.newest?.generation ?? 0) + 1
    around.tell({
      kind: 'map-heard',
      map: { generation, assignment: { members: ['other'], owners: [0, 0, 0, 0] } },
    })
    const locks = around.count('lock')
    for (let round = 0; round < 3; round++) {
      around.mysqlAnswers = true
      around.pass(250)
      around.mysqlAnswers = false
      around.pass(2_000)
    }
    expect(around.count('lock')).toBe(locks)
    around.mysqlAnswers = true
    around.pass(1_000)
    expect(around.count('lock')).toBeGreaterThan(locks)
  })

  it('holds off when Redis is another one', () => {
    const around = new Surroundings()
    around.join('other').die()
    around.beats.set('other', { counter: 5, leaving: false })
    around.pass(2_500)
    around.redisId = 'two'
    around.pass(2_750)
    expect(membersOf(around.newest)).toContain('other')
    around.pass(1_500)
    expect(membersOf(around.newest)).toEqual(['me'])
  })

  it('does not take a Redis that forgot everybody for a world without others', () => {
    const around = new Surroundings()
    around.join('other')
    around.pass(2_000)
    const before = around.maps.length
    around.beats.clear()
    around.pass(10_000)
    expect(around.maps).toHaveLength(before)
  })

  it('gives a lock back that came too late, and goes on without one it cannot get', () => {
    const around = new Surroundings()
    around.lockIsFree = false
    around.pass(3_000)
    expect(around.maps).toHaveLength(0)
    expect(around.count('lock')).toBeGreaterThan(3)
    const asked = around.count('lock')
    around.tell({ kind: 'locked', attempt: 1 })
    expect(around.done.at(-1)).toEqual({ kind: 'unlock', attempt: 1 })
    expect(around.maps).toHaveLength(0)
    around.lockIsFree = true
    around.pass(1_000)
    expect(around.count('lock')).toBeGreaterThan(asked)
    expect(around.maps).toHaveLength(1)
  })

  it('stores nothing where the database already says what it should, and gives the lock back', () => {
    const around = new Surroundings()
    around.pass(1_000)
    around.join('other')
    around.pass(300)
    // Somebody else was quicker, and this member has not heard of it.
    around.maps.push({ generation: 2, assignment: { members: ['me', 'other'], owners: [0, 0, 1, 1] } })
    around.pass(600)
    expect(around.count('lock')).toBe(2)
    expect(around.count('unlock')).toBe(2)
    expect(around.maps).toHaveLength(2)
    expect(around.member.owned).toEqual([0, 1])
  })

  it('asks for a new generation where rows know a newer one than every map', () => {
    const around = new Surroundings()
    around.pass(1_000)
    around.tell({ kind: 'lost', partitions: [1] })
    around.tell({
      kind: 'claimed',
      generation: 1,
      partitions: [],
      refused: [{ partition: 1, generation: 41 }],
    })
    around.pass(1_000)
    expect(around.newest?.generation).toBe(42)
    expect(around.member.owned).toHaveLength(4)
  })

  it('leaves when a map has given its partitions away, and goes on owning them until then', () => {
    const around = new Surroundings()
    around.join('other')
    around.pass(2_000)
    around.lockIsFree = false
    around.tell({ kind: 'leave' })
    around.pass(1_000)
    expect(around.member.owned).toHaveLength(2)
    expect(around.beats.get('me')?.leaving).toBe(true)
    around.lockIsFree = true
    around.pass(1_000)
    expect(membersOf(around.newest)).toEqual(['other'])
    expect(around.member.phase).toBe('left')
    expect(around.count('depart')).toBe(1)
  })

  it('leaves at once where nobody is left to hand over to, and at its deadline where nothing answers', () => {
    const alone = new Surroundings()
    alone.pass(1_000)
    alone.tell({ kind: 'leave' })
    alone.pass(300)
    expect(alone.member.phase).toBe('left')
    expect(alone.maps).toHaveLength(1)

    const cutOff = new Surroundings()
    cutOff.join('other')
    cutOff.pass(2_000)
    cutOff.redisAnswers = false
    cutOff.lockIsFree = false
    cutOff.tell({ kind: 'leave' })
    cutOff.pass(4_500)
    expect(cutOff.member.owned).toHaveLength(2)
    cutOff.pass(1_000)
    expect(cutOff.member.phase).toBe('left')
  })

  it('hands over to those who leave less than to those who stay: nothing', () => {
    const around = new Surroundings()
    const other = around.join('other')
    around.pass(2_000)
    other.leave()
    around.pass(1_000)
    expect(membersOf(around.newest)).toEqual(['me'])
  })

  it('knows whether it is alone, also while it makes no progress itself', () => {
    const around = new Surroundings()
    around.pass(1_000)
    expect(around.member.isAlone).toBe(true)
    const other = around.join('other')
    around.pass(1_000)
    expect(around.member.isAlone).toBe(false)
    around.mysqlAnswers = false
    around.pass(10_000)
    expect(around.member.isAlone).toBe(false)
    other.die()
    around.pass(4_000)
    expect(around.member.isAlone).toBe(true)
  })
})
