import { ownerOf, type Assignment } from './assign.ts'

/** How many partitions that both know have another owner in `next` than in `previous`. */
export function movesBetween(previous: Assignment, next: Assignment): number {
  return previous.owners
    .slice(0, next.owners.length)
    .filter((_, partition) => ownerOf(previous, partition) !== ownerOf(next, partition)).length
}

/**
 * The fewest partitions that must move from `previous` for the loads of `members` to differ by at most one.
 *
 * Every member may keep what it holds up to its share; `partitions mod members` of them may keep one more.
 *
 * @param members distinct, in any order
 */
export function leastMoves(partitions: number, members: readonly string[], previous: Assignment): number {
  const known = Math.min(partitions, previous.owners.length)
  if (members.length === 0) return 0
  const holdings = new Map(members.map((name) => [name, 0]))
  for (let partition = 0; partition < known; partition++) {
    const name = ownerOf(previous, partition) ?? ''
    const holding = holdings.get(name)
    if (holding !== undefined) holdings.set(name, holding + 1)
  }
  const share = Math.floor(partitions / members.length)
  let keep = 0
  let wouldKeepOneMore = 0
  for (const holding of holdings.values()) {
    keep += Math.min(holding, share)
    if (holding > share) wouldKeepOneMore += 1
  }
  return known - keep - Math.min(wouldKeepOneMore, partitions % members.length)
}
