import type { FunctionConfig } from '../../shared/config.ts'
import { createBullmq, createBullmqWorker } from './bullmq.ts'
import { createRedlock } from './redlock.ts'
import { createRowLocks } from './row-locks.ts'
import { createStreamPerMessage, createStreamWorker } from './stream-per-message.ts'
import { createUniqueKey } from './unique-key.ts'
import type { Peer, PeerWorker } from './wish.ts'

export const peers: Readonly<Record<string, (config: FunctionConfig) => Peer>> = {
  'unique-key': ({ mysql }) => createUniqueKey(mysql.url),
  'row-locks': ({ mysql }) => createRowLocks(mysql.url),
  redlock: createRedlock,
  bullmq: createBullmq,
  'stream-per-message': createStreamPerMessage,
}

/** Of those peers that decide in a process of their own. */
export const peerWorkers: Readonly<Record<string, (config: FunctionConfig) => PeerWorker>> = {
  bullmq: createBullmqWorker,
  'stream-per-message': createStreamWorker,
}
