import { describe, expect, it } from 'vitest'
import { Holdings } from './holdings.ts'
import type { PartitionMap } from './partition-map.ts'

/** A map of four partitions: who owns each, by a letter. */
const map = (generation: number, owners: string): PartitionMap => {
  const members = [...new Set(owners.split(''))].sort()
  return {
    generation,
    assignment: { members, owners: owners.split('').map((owner) => members.indexOf(owner)) },
  }
}

/** `a` owning the first two partitions under generation 1. */
function settled(): Holdings {
  const holdings = new Holdings('a')
  expect(holdings.adopt(map(1, 'aabb'))).toEqual([{ kind: 'claim', generation: 1, partitions: [0, 1] }])
  expect(holdings.claimed(1, [0, 1], [])).toEqual([])
  expect(holdings.isSettled).toBe(true)
  return holdings
}

describe('what a member holds', () => {
  it('changes only where the map moves something; what stays is stamped and never claimed again', () => {
    const holdings = settled()
    expect(holdings.adopt(map(2, 'acab'))).toEqual([
      { kind: 'release', partitions: [1] },
      { kind: 'claim', generation: 2, partitions: [2] },
      { kind: 'stamp', generation: 2, partitions: [0] },
    ])
    expect(holdings.isSettled).toBe(false)
    holdings.released([1])
    holdings.claimed(2, [2], [])
    holdings.stamped(2, [0], [])
    expect(holdings.isSettled).toBe(true)
    expect(holdings.owned).toEqual([0, 2])
  })

  it('waits for its own release before it claims what comes back meanwhile', () => {
    const holdings = settled()
    holdings.adopt(map(2, 'bbbb'))
    expect(holdings.adopt(map(3, 'abbb'))).toEqual([])
    expect(holdings.released([0, 1])).toEqual([{ kind: 'claim', generation: 3, partitions: [0] }])
  })

  it('lets go of what it claimed under a map that is old by then', () => {
    const holdings = new Holdings('a')
    holdings.adopt(map(1, 'aabb'))
    expect(holdings.adopt(map(2, 'abbb'))).toEqual([])
    expect(holdings.claimed(1, [0, 1], [])).toEqual([
      { kind: 'release', partitions: [1] },
      { kind: 'stamp', generation: 2, partitions: [0] },
    ])
  })

  it('does not ask again at once for what was refused or failed, but under the next map, or when told to', () => {
    const holdings = new Holdings('a')
    holdings.adopt(map(1, 'aabb'))
    expect(holdings.claimed(1, [], [{ partition: 0, generation: 5 }])).toEqual([])
    holdings.claimFailed([1])
    expect(holdings.retry()).toEqual([{ kind: 'claim', generation: 1, partitions: [0, 1] }])
    holdings.claimFailed([0, 1])
    expect(holdings.adopt(map(2, 'aabb'))).toEqual([{ kind: 'claim', generation: 2, partitions: [0, 1] }])
  })

  it('claims again what turned out to be lost and is its own by the newest map', () => {
    const holdings = settled()
    holdings.lost([1])
    expect(holdings.owned).toEqual([0])
    expect(holdings.retry()).toEqual([{ kind: 'claim', generation: 1, partitions: [1] }])
  })

  it('claims what a stamp found lost, and stamps again what could not be stamped', () => {
    const holdings = settled()
    holdings.adopt(map(2, 'aabb'))
    holdings.stampFailed([0, 1])
    expect(holdings.retry()).toEqual([{ kind: 'stamp', generation: 2, partitions: [0, 1] }])
    expect(holdings.stamped(2, [0], [1])).toEqual([])
    expect(holdings.retry()).toEqual([{ kind: 'claim', generation: 2, partitions: [1] }])
  })

  it('lets go of everything, and claims nothing more, once it gives up', () => {
    const holdings = settled()
    expect(holdings.giveUp()).toEqual([{ kind: 'release', partitions: [0, 1] }])
    expect(holdings.isEmpty).toBe(false)
    expect(holdings.released([0, 1])).toEqual([])
    expect(holdings.isEmpty).toBe(true)
    expect(holdings.adopt(map(2, 'aaaa'))).toEqual([])
  })
})
