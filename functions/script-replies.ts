/** A script's answer: its code first. */
export type ScriptAnswer = readonly (string | number)[]

/**
 * Error replies that Redis gives instead of running a script, by their code (the first word of the reply, which is
 * part of the protocol). Any other error may come out of a running script, after it wrote.
 */
const neverRan: ReadonlySet<string> = new Set([
  'OOM', // memory is full
  'READONLY', // a replica, as after a failover
  'LOADING', // reading its files after a start
  'NOREPLICAS', // fewer replicas than min-replicas-to-write
  'MISCONF', // cannot write to its disk
  'MASTERDOWN', // a replica without its primary
  'CLUSTERDOWN', // slots without an owner
  'TRYAGAIN', // a slot that is being moved
  'MOVED', // a slot that lives elsewhere
  'ASK', // a slot that is half elsewhere
  'BUSY', // another script has run for too long
  'NOAUTH', // not logged in
  'NOPERM', // not allowed to this user
])

/** Whether it came out of a running script, which has ended with it. */
export function isScriptError(error: unknown): boolean {
  return isReply(error) && !isReplyWithoutRun(error)
}

/** Whether Redis refused to run it. */
export function isReplyWithoutRun(error: unknown): boolean {
  return isReply(error) && neverRan.has(error.message.split(' ', 1)[0] ?? '')
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}
