import { pino, type DestinationStream, type Logger } from 'pino'

export type Log = Logger

/**
 * One JSON line an event. Personal data (customers, tokens, keys) is never logged.
 *
 * @param destination unless it is standard output, written to in the background
 */
export function createLog(service: string, level: string, destination?: DestinationStream): Log {
  const options = { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime }
  return pino(options, destination ?? writtenInBackground())
}

/** Characters of lines that could not be written yet; what comes beyond is dropped. */
const MAX_BEHIND = 4 * 1_024 * 1_024

/**
 * Standard output, written to by another thread. While that fails (a full disk), lines are kept for better times, and the
 * process works: without a listener the error would end it, and pino, which writes the last lines as a process ends, would
 * try to for ever.
 */
function writtenInBackground(): DestinationStream {
  const out = pino.destination({ dest: 1, sync: false, maxLength: MAX_BEHIND })
  const flushSync = out.flushSync.bind(out)
  out.on('error', () => {
    out.flushSync = () => undefined
  })
  out.on('write', () => {
    out.flushSync = flushSync
  })
  return out
}

/**
 * Standard output, written to before the call returns. For a process that may be frozen or gone before what it has handed
 * to another thread is written; elsewhere that thread saves time on the way of a booking.
 */
export function writtenAtOnce(): DestinationStream {
  return pino.destination({ dest: 1, sync: true })
}

/** What of an error may be logged: no SQL, which holds the values that were being written. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) }
  const { code, errno, sqlState } = error as { code?: unknown; errno?: unknown; sqlState?: unknown }
  const statement = 'sql' in error
  return {
    error: statement ? 'database statement failed' : error.message,
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
    ...(sqlState === undefined ? {} : { sqlState }),
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  }
}
