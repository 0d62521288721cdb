/** What each guard of the real system does; the simulation can leave one out, to show that it is needed. */
export const guards = {
  epoch: 'a batch commits only under the current epoch of its partition',
  generation: 'a claim leaves a partition alone that a newer generation has given away',
  duplicate: 'a command that was decided before is not decided again',
  deletion: 'an entry is deleted only if it is still the command that was decided',
  place: 'an outcome is shown only over an older one',
  cancel: 'a seat is refused at once only while nobody has asked to cancel its holder',
  holder: 'nobody is refused at once for the sake of a seat that is theirs',
  redis: 'marks of taken seats count only in the Redis in which they were made',
  lock: 'one member at a time rebalances',
} as const

export type Guard = keyof typeof guards
