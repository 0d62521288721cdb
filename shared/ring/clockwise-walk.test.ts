import { describe, expect, it } from 'vitest'
import { ClockwiseWalk } from './clockwise-walk.ts'
import { HashRing, partitionPositions } from './hash-ring.ts'

const members = Array.from({ length: 500 }, (_, i) => `consumer-${i}`)

describe('a walk around the ring', () => {
  it('ends at the first node whose member has room, going round', () => {
    const ring = new HashRing(members)
    const full = new Set<number>()
    const walk = new ClockwiseWalk(ring, (member) => full.has(member))
    for (const position of [0, ...partitionPositions(498), 2 ** 32 - 1]) {
      let rank = ring.rankFrom(position)
      while (full.has(ring.memberAt(rank))) rank = (rank + 1) % ring.size
      const found = walk.firstFrom(position)
      expect(found).toBe(ring.memberAt(rank))
      full.add(found ?? -1)
    }
    expect(full.size).toBe(members.length)
    expect(walk.firstFrom(0)).toBeUndefined()
  })

  it('stays short when nearly all are full', () => {
    let questions = 0
    const ring = new HashRing(members)
    const walk = new ClockwiseWalk(ring, (member) => {
      questions += 1
      return member !== 0
    })
    const positions = partitionPositions(10_000)
    for (const position of positions) expect(walk.firstFrom(position)).toBe(0)
    // Step by step it would be 250 nodes a walk.
    expect(questions / positions.length).toBeLessThan(25)
  })
})

describe('a ring', () => {
  it('finds the first node at or after a position', () => {
    const ring = new HashRing(['a', 'b', 'c'])
    for (const position of [0, ...partitionPositions(200), 2 ** 32 - 1]) {
      const distances = [0, 1, 2].map((member) => ring.distanceTo(member, position))
      const nearest = Math.min(...distances)
      const owner = distances.indexOf(nearest)
      expect(ring.memberAt(ring.rankFrom(position))).toBe(owner)
      expect(ring.memberAt(ring.rankFrom((position + nearest) % 2 ** 32))).toBe(owner)
    }
  })
})
