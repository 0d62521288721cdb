import { functionConfig } from '../shared/config.ts'
import { endOnSignal } from './peers/end-on-signal.ts'
import { peerWorkers } from './peers/peers.ts'

/** `node dist/bench-peer-worker.mjs NAME`: the process in which a peer decides. Says `{"ready":true}` when it does. */
const create = peerWorkers[process.argv[2] ?? '']
if (create === undefined) {
  console.error(`Usage: bench-peer-worker.mjs ${Object.keys(peerWorkers).join(' | ')}`)
  process.exit(2)
}
const worker = create(functionConfig(process.env))
console.log(JSON.stringify({ ready: true }))
endOnSignal(() => worker.close())
