import { partitionsOf, type PartitionMap } from './partition-map.ts'
import type { MemberEffect, RefusedClaim } from './protocol.ts'

/**
 * none ──claim──> claiming ──claimed──> owned ──release──> releasing ──> none
 *   ▲                 │                   │
 *   └──refused, failed┘                   └──lost──> none
 */
type Standing =
  | { readonly is: 'claiming' }
  | { readonly is: 'owned'; readonly stamped: number; readonly stamping: boolean }
  | { readonly is: 'releasing' }

/**
 * What one member holds of the partitions, and what it must do to agree with the newest map. The rule: mine by the
 * newest map and not held → claim; held → never claim again, but stamp the new generation on it, so that a late claim
 * under an older map finds it taken; held and not mine → let go. Only what moves stops.
 */
export class Holdings {
  private readonly member: string
  private readonly standings = new Map<number, Standing>()
  private mine: ReadonlySet<number> = new Set()
  private generation = 0
  /** What failed, was refused or was lost: tried again by `retry`, or under the next map. */
  private readonly waiting = new Set<number>()
  /** Wants nothing new and lets go of everything. */
  private givingUp = false

  constructor(member: string) {
    this.member = member
  }

  get owned(): readonly number[] {
    return [...this.standings].filter(([, { is }]) => is === 'owned').map(([partition]) => partition)
  }

  /** Holds and wants nothing. */
  get isEmpty(): boolean {
    return this.standings.size === 0 && (this.givingUp || this.mine.size === 0)
  }

  get hasAllItWants(): boolean {
    for (const partition of this.mine) if (this.standings.get(partition)?.is !== 'owned') return false
    return true
  }

  /** Agrees with the newest map. */
  get isSettled(): boolean {
    if (this.standings.size !== this.mine.size) return false
    for (const partition of this.mine) {
      const standing = this.standings.get(partition)
      if (standing?.is !== 'owned' || standing.stamped !== this.generation) return false
    }
    return true
  }

  /** @param map newer than any before */
  adopt(map: PartitionMap): MemberEffect[] {
    this.mine = new Set(partitionsOf(map, this.member))
    this.generation = map.generation
    this.waiting.clear()
    return this.agree()
  }

  giveUp(): MemberEffect[] {
    this.givingUp = true
    return this.agree()
  }

  retry(): MemberEffect[] {
    if (this.waiting.size === 0) return []
    this.waiting.clear()
    return this.agree()
  }

  claimed(
    generation: number,
    partitions: readonly number[],
    refused: readonly RefusedClaim[],
  ): MemberEffect[] {
    for (const partition of partitions) {
      this.standings.set(partition, { is: 'owned', stamped: generation, stamping: false })
    }
    const turnedDown = refused.map(({ partition }) => partition)
    if (generation === this.generation) this.claimFailed(turnedDown)
    // Refused under an older map: what is still its own by the newest is claimed under that, at once.
    else for (const partition of turnedDown) this.forget(partition, 'claiming')
    return this.agree()
  }

  claimFailed(partitions: readonly number[]): void {
    for (const partition of partitions) {
      this.forget(partition, 'claiming')
      this.waiting.add(partition)
    }
  }

  stamped(generation: number, kept: readonly number[], lost: readonly number[]): MemberEffect[] {
    for (const partition of kept) {
      if (this.standings.get(partition)?.is !== 'owned') continue
      this.standings.set(partition, { is: 'owned', stamped: generation, stamping: false })
    }
    this.lost(lost)
    return this.agree()
  }

  stampFailed(partitions: readonly number[]): void {
    for (const partition of partitions) {
      const standing = this.standings.get(partition)
      if (standing?.is !== 'owned') continue
      this.standings.set(partition, { ...standing, stamping: false })
      this.waiting.add(partition)
    }
  }

  released(partitions: readonly number[]): MemberEffect[] {
    for (const partition of partitions) this.forget(partition, 'releasing')
    return this.agree()
  }

  /** Somebody else has claimed. What is still mine by the newest map is claimed again; the caller reads that first. */
  lost(partitions: readonly number[]): void {
    for (const partition of partitions) {
      if (this.standings.get(partition)?.is !== 'owned') continue
      this.standings.delete(partition)
      this.waiting.add(partition)
    }
  }

  private forget(partition: number, from: Standing['is']): void {
    if (this.standings.get(partition)?.is === from) this.standings.delete(partition)
  }

  private agree(): MemberEffect[] {
    const claim: number[] = []
    const stamp: number[] = []
    const release: number[] = []
    for (const [partition, standing] of this.standings) {
      if (standing.is !== 'owned') continue
      if (!this.wants(partition)) release.push(partition)
      else if (standing.stamped < this.generation && !standing.stamping && !this.waiting.has(partition)) {
        stamp.push(partition)
      }
    }
    for (const partition of this.mine) {
      if (this.wants(partition) && !this.standings.has(partition) && !this.waiting.has(partition)) {
        claim.push(partition)
      }
    }
    return this.begin(claim, stamp, release)
  }

  wants(partition: number): boolean {
    return !this.givingUp && this.mine.has(partition)
  }

  private begin(claim: number[], stamp: number[], release: number[]): MemberEffect[] {
    for (const partition of claim) this.standings.set(partition, { is: 'claiming' })
    for (const partition of release) this.standings.set(partition, { is: 'releasing' })
    for (const partition of stamp) {
      const standing = this.standings.get(partition)
      if (standing?.is === 'owned') this.standings.set(partition, { ...standing, stamping: true })
    }
    const { generation } = this
    const effects: MemberEffect[] = []
    if (release.length > 0) effects.push({ kind: 'release', partitions: release })
    if (claim.length > 0) effects.push({ kind: 'claim', generation, partitions: claim })
    if (stamp.length > 0) effects.push({ kind: 'stamp', generation, partitions: stamp })
    return effects
  }
}
