import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignPartitions, ownerOf, type Assignment } from './assign.ts'
import { HashRing, partitionPositions } from './hash-ring.ts'
import { leastMoves, movesBetween } from './moves.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'B', 'é', '__proto__', '')
const someNames = fc.uniqueArray(name, { minLength: 1 })

/** Any map, balanced or not. */
const anyAssignment = (maxMembers: number, maxPartitions: number): fc.Arbitrary<Assignment> =>
  fc.uniqueArray(name, { minLength: 1, maxLength: maxMembers }).chain((members) =>
    fc.record({
      members: fc.constant([...members].sort()),
      owners: fc.array(fc.nat({ max: members.length - 1 }), { maxLength: maxPartitions }),
    }),
  )

const loadsOf = ({ members, owners }: Assignment): readonly number[] =>
  members.map((_, member) => owners.filter((owner) => owner === member).length)

function isBalanced(assignment: Assignment): boolean {
  const loads = loadsOf(assignment)
  return Math.max(...loads) - Math.min(...loads) <= 1
}

/** Every way there is to give `partitions` to `members`. */
function everyAssignment(partitions: number, members: readonly string[]): readonly Assignment[] {
  let all: readonly (readonly number[])[] = [[]]
  for (let i = 0; i < partitions; i++) {
    all = all.flatMap((owners) => members.map((_, member) => [...owners, member]))
  }
  return all.map((owners) => ({ members, owners }))
}

describe('an assignment of partitions', () => {
  it('gives every partition to one of the members, and loads that differ by at most one', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 100 }),
        someNames,
        fc.option(anyAssignment(10, 120), { nil: undefined }),
        (partitions, members, previous) => {
          const assignment = assignPartitions(partitions, members, previous)
          expect(assignment.members).toEqual([...members].sort())
          expect(assignment.owners).toHaveLength(partitions)
          for (let p = 0; p < partitions; p++) expect(members).toContain(ownerOf(assignment, p))
          expect(isBalanced(assignment)).toBe(true)
        },
      ),
    )
  })

  it('is empty without members', () => {
    const previous = assignPartitions(8, ['a', 'b'], undefined)
    const empty = assignPartitions(8, [], previous)
    expect(empty).toEqual({ members: [], owners: [] })
    expect(ownerOf(empty, 0)).toBeUndefined()
    expect(assignPartitions(8, ['a'], empty).owners).toEqual(new Array(8).fill(0))
    expect(ownerOf(previous, 8)).toBeUndefined()
  })

  it('does not depend on the order of the members, nor on naming one twice', () => {
    const orders = someNames.chain((members) =>
      fc.tuple(
        fc.constant(members),
        fc.shuffledSubarray([...members, ...members], { minLength: 2 * members.length }),
      ),
    )
    fc.assert(
      fc.property(
        orders,
        fc.option(anyAssignment(10, 60), { nil: undefined }),
        ([members, again], previous) => {
          expect(assignPartitions(50, again, previous)).toEqual(assignPartitions(50, members, previous))
        },
      ),
    )
  })

  it('is the same in every process, whatever its locale: names are sorted by code unit', () => {
    const namesOf = (assignment: Assignment): string =>
      assignment.owners.map((_, partition) => ownerOf(assignment, partition)).join('')
    const first = assignPartitions(16, ['b', 'a', 'B'], undefined)
    expect(first.members).toEqual(['B', 'a', 'b'])
    expect(namesOf(first)).toBe('BbBbbaaaaBabBbBa')
    expect(namesOf(assignPartitions(16, ['a', 'B', 'c'], first))).toBe('BcBccaaaaBacBcBa')
  })

  it('moves as little as the best of all balanced ways, whatever was before', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 6 }),
        fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
        anyAssignment(4, 8),
        (partitions, members, previous) => {
          const best = Math.min(
            ...everyAssignment(partitions, members)
              .filter(isBalanced)
              .map((other) => movesBetween(previous, other)),
          )
          expect(leastMoves(partitions, members, previous)).toBe(best)
          expect(movesBetween(previous, assignPartitions(partitions, members, previous))).toBe(best)
        },
      ),
    )
  })

  it('moves as little as possible at sizes that cannot be tried out', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 300 }),
        someNames,
        anyAssignment(11, 300),
        (partitions, members, previous) => {
          const moved = movesBetween(previous, assignPartitions(partitions, members, previous))
          expect(moved).toBe(leastMoves(partitions, members, previous))
        },
      ),
    )
  })

  it('stays balanced and frugal through any chain of joins, leaves and crashes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(someNames, { maxLength: 12 }),
        (partitions, chain) => {
          let now = assignPartitions(partitions, ['a'], undefined)
          for (const members of chain) {
            const next = assignPartitions(partitions, members, now)
            expect(isBalanced(next)).toBe(true)
            expect(movesBetween(now, next)).toBe(leastMoves(partitions, members, now))
            now = next
          }
        },
      ),
    )
  })

  it('leaves everything where it is if nobody joined or left', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), someNames, someNames, (partitions, before, members) => {
        const now = assignPartitions(partitions, members, assignPartitions(partitions, before, undefined))
        expect(assignPartitions(partitions, members, now)).toEqual(now)
      }),
    )
  })

  it('lets a member keep no more than its share where two partitions lie in the same place', () => {
    const partitions = 2 ** 17
    const positions = [...partitionPositions(partitions)]
    const lastAt = new Map(positions.map((position, p) => [position, p]))
    const first = positions.findIndex((position, p) => lastAt.get(position) !== p)
    const twins = [first, lastAt.get(positions[first] ?? 0) ?? -1] as const
    // The twins are the farthest of what `a` holds, which is one too many.
    const ring = new HashRing(['a', 'b'])
    const distances = positions.map((position) => ring.distanceTo(0, position))
    const nearer = distances.flatMap((distance, p) => (distance < (distances[first] ?? 0) ? [p] : []))
    const held = new Set([...nearer.slice(0, partitions / 2 - 1), ...twins])
    expect(held.size).toBe(partitions / 2 + 1)
    const previous = { members: ['a', 'b'], owners: positions.map((_, p) => (held.has(p) ? 0 : 1)) }

    const next = assignPartitions(partitions, ['a', 'b'], previous)
    expect(movesBetween(previous, next)).toBe(1)
    expect(twins.map((p) => ownerOf(next, p))).toEqual(['a', 'b'])
  })

  it('does not make the same partitions move at every change', () => {
    const partitions = 256
    const moves = new Array<number>(partitions).fill(0)
    const members = ['0', '1', '2', '3', '4', '5', '6', '7']
    let now = assignPartitions(partitions, members, undefined)
    // Members come and go one by one, as when a new version is rolled out.
    for (let i = 8; i < 72; i++) {
      for (const change of [() => members.push(String(i)), () => members.shift()]) {
        change()
        const next = assignPartitions(partitions, members, now)
        for (let p = 0; p < partitions; p++) {
          if (ownerOf(now, p) !== ownerOf(next, p)) moves[p] = (moves[p] ?? 0) + 1
        }
        now = next
      }
    }
    const mean = moves.reduce((sum, count) => sum + count, 0) / partitions
    expect(Math.max(...moves)).toBeLessThan(2 * mean)
  })
})
