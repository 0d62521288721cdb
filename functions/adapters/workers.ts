import type { Environment } from '../../shared/config.ts'
import { createLog } from '../../shared/log.ts'
import { createApp } from '../app.ts'
import { platforms } from '../platform.ts'
import type { Placement } from '../topology-keeper.ts'
import { assemblePorts, createInstance, type Instance } from './assemble-ports.ts'
import { connect } from './connections.ts'
import { drainBody } from './drain-body.ts'
import { firstAttempt } from './first-attempt.ts'
import { workersConfig } from './workers-config.ts'

/** A request asks MySQL for one thing after the other. */
const MYSQL_CONNECTIONS = 1

/** What Cloudflare hands to each request beside its environment. */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

// Of an isolate. Made with the first request: before it there is neither randomness nor an environment.
let instance: Instance | undefined
let placement: Placement | undefined

/** Sockets belong to the request that opened them: each has connections of its own, closed behind its answer. */
async function serve(
  request: Request,
  environment: Environment,
  context: ExecutionContext,
): Promise<Response> {
  instance ??= start(environment)
  const connections = connect(instance, MYSQL_CONNECTIONS, { disableEval: true, namesAreChecked: true })
  // Nothing ends where another topology is found: each request hears of it anew, and is refused.
  const ports = assemblePorts(instance, connections, { placement, onDiffers: () => undefined })
  try {
    await firstAttempt(connections.redis)
    const response = await createApp(ports).fetch(request)
    placement = ports.topology.current
    // workerd cuts the connection under a client that has more than 64 KB still to send when the answer begins.
    await drainBody(request)
    return response
  } finally {
    context.waitUntil(connections.close())
  }
}

function start(environment: Environment): Instance {
  const config = workersConfig(environment)
  const write = (line: string): void => {
    console.log(line.trimEnd())
  }
  return createInstance(config, createLog('functions', config.logLevel, { write }), platforms.workers)
}

export default { fetch: serve }
