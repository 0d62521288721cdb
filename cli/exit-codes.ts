/** How `frontrow` ends, for scripts. The README has the table. */
export const exitCodes = {
  /** Done: confirmed, cancelled, shown. */
  well: 0,
  /** A clear no, that trying again will not change: a seat is taken, a token is not valid, an audit found something. */
  refused: 1,
  /** Wrong arguments, or what is needed to begin is not there. */
  usage: 2,
  /** Not done, and it may be tried again: the server cannot be reached, is overloaded, or asks for patience. */
  unavailable: 3,
  /** Not known: the answer was lost, or the outcome did not come in time. The same command with the same key finds out. */
  unknown: 4,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
