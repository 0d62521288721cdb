/** What the audit can find wrong. */
export type FindingKind =
  /** Deciding again gives another answer than what is stored. */
  | 'decision-differs'
  /** Two live bookings have the same seat. */
  | 'seat-sold-twice'
  /** A decision was made under an older epoch than the one before it. */
  | 'epoch-backwards'
  /** A partition's sequence has gaps, or does not end where its row says. */
  | 'sequence-broken'
  /** A decision names a version of the performance that is not stored. */
  | 'version-unknown'
  /** A rejection as INTERNAL without the dead letter that belongs to it. */
  | 'dead-letter-missing'
  /** `booked_seats` has a row that no live booking accounts for. */
  | 'seat-without-booking'
  /** A live booking's seat has no row in `booked_seats`. */
  | 'booking-without-seat'
  /** A seat is booked by one request and stored for another. */
  | 'seat-of-another'
  /** A booked seat is not in the catalogue as it stands. */
  | 'seat-not-in-catalogue'
  /** Redis shows another status than MySQL has stored. */
  | 'redis-differs'
  /** Redis shows an outcome of which MySQL knows nothing. */
  | 'outcome-not-stored'

export interface Finding {
  readonly kind: FindingKind
  readonly sectionId?: string
  readonly requestId?: string
  readonly seatId?: string
  readonly sequence?: number
  readonly detail: string
}
