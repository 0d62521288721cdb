import type { Beat } from './failure-detector.ts'
import type { PartitionMap } from './partition-map.ts'

/** Why a map was made. */
export type RebalanceReason = 'first' | 'join' | 'leave' | 'expiry' | 'refused' | 'topology'

/** A partition's row has a newer generation than the claim's: somebody knows a newer map. */
export interface RefusedClaim {
  readonly partition: number
  /** Of the row. */
  readonly generation: number
}

/**
 * What a member hears. Answers to effects name the effect, and may come late, or never: whoever carries effects out
 * answers each of them once, with success or failure, unless the process ends.
 */
export type MemberEvent =
  | { readonly kind: 'tick' }
  /** The loops and MySQL have made progress since the probe was asked for. */
  | { readonly kind: 'probed'; readonly ok: boolean }
  | { readonly kind: 'exchanged'; readonly beats: ReadonlyMap<string, Beat>; readonly redisId: string }
  | { readonly kind: 'exchange-failed' }
  | { readonly kind: 'map-read'; readonly newest: PartitionMap | undefined; readonly highest: number }
  | { readonly kind: 'map-read-failed' }
  | { readonly kind: 'map-heard'; readonly map: PartitionMap }
  | { readonly kind: 'locked'; readonly attempt: number }
  | { readonly kind: 'lock-refused'; readonly attempt: number }
  /** With what the database holds under that generation, read back: it may be somebody else's. */
  | { readonly kind: 'map-stored'; readonly attempt: number; readonly map: PartitionMap }
  | { readonly kind: 'map-refused'; readonly attempt: number }
  | {
      readonly kind: 'claimed'
      readonly generation: number
      readonly partitions: readonly number[]
      readonly refused: readonly RefusedClaim[]
    }
  /** What became of it is unknown: it is claimed again. */
  | { readonly kind: 'claim-failed'; readonly partitions: readonly number[] }
  | {
      readonly kind: 'stamped'
      readonly generation: number
      readonly kept: readonly number[]
      readonly lost: readonly number[]
    }
  | { readonly kind: 'stamp-failed'; readonly partitions: readonly number[] }
  | { readonly kind: 'released'; readonly partitions: readonly number[] }
  /** A commit was refused, or a look at the rows told: somebody else has claimed. */
  | { readonly kind: 'lost'; readonly partitions: readonly number[] }
  | { readonly kind: 'leave' }

/** What a member wants done. */
export type MemberEffect =
  /** Ask MySQL something, and look whether the loops get round. */
  | { readonly kind: 'probe' }
  /**
   * Show oneself to the others, and read all of them. Without a beat only read: who makes no progress shows nothing, or
   * it would pass for somebody new each time that it is taken out for dead. `forget`: the dead, if they still stand at
   * these counters.
   */
  | {
      readonly kind: 'exchange'
      readonly beat: Beat | undefined
      readonly forget: ReadonlyMap<string, number>
    }
  | { readonly kind: 'read-map' }
  | { readonly kind: 'lock'; readonly attempt: number }
  | { readonly kind: 'unlock'; readonly attempt: number }
  | {
      readonly kind: 'store-map'
      readonly attempt: number
      readonly map: PartitionMap
      readonly reason: RebalanceReason
    }
  | { readonly kind: 'broadcast'; readonly map: PartitionMap }
  | { readonly kind: 'claim'; readonly generation: number; readonly partitions: readonly number[] }
  | { readonly kind: 'stamp'; readonly generation: number; readonly partitions: readonly number[] }
  /** Finish what is in flight of these partitions, forget them, and let go. */
  | { readonly kind: 'release'; readonly partitions: readonly number[] }
  /** Everything is handed over, and the others know that this member leaves: end. */
  | { readonly kind: 'depart' }
