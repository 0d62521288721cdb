import { z } from 'zod'
import {
  customerIdSchema,
  fingerprintSchema,
  idSchema,
  requestIdSchema,
  seatIdsSchema,
} from '../../shared/ids.ts'

/** A booking as a peer carries it out, and as it travels through Redis where a peer sends it there. */
export const wishSchema = z.object({
  requestId: requestIdSchema,
  customerId: customerIdSchema,
  slot: z.number().int(),
  performanceId: idSchema,
  performanceVersion: z.number().int(),
  sectionId: idSchema,
  /** Sorted: whoever takes several locks takes them in this order. */
  seatIds: seatIdsSchema,
  fingerprint: fingerprintSchema,
  requestedAtUs: z.number().int(),
})

export type Wish = z.infer<typeof wishSchema>

/** What came of a wish. */
export type Verdict =
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'taken'; readonly seatIds: readonly string[] }
  /** The Idempotency-Key was used for something else. */
  | { readonly kind: 'key-reused' }
  /** Accepted; the outcome is to be asked for. */
  | { readonly kind: 'pending' }
  /** Not carried out: try again. */
  | { readonly kind: 'busy' }

/** One way of booking seats. */
export interface Peer {
  book(wish: Wish): Promise<Verdict>
  close(): Promise<void>
}

/** The part of a peer that does its work in a process of its own. */
export interface PeerWorker {
  close(): Promise<void>
}
