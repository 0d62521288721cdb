import { functionConfig } from '../../shared/config.ts'
import { createLog, writtenAtOnce } from '../../shared/log.ts'
import { createApp } from '../app.ts'
import { platforms } from '../platform.ts'
import type { Placement } from '../topology-keeper.ts'
import { assemblePorts, createInstance } from './assemble-ports.ts'
import { connect, type Connections } from './connections.ts'
import { firstAttempt } from './first-attempt.ts'
import { requestOf, resultOf, type LambdaEvent, type LambdaResult } from './lambda-events.ts'
import { nodeDocsAsset } from './node-docs.ts'
import { unreadable } from './unreadable.ts'

/** An instance has one request at a time, which asks MySQL for one thing after the other. */
const MYSQL_CONNECTIONS = 1
/**
 * Between two events an instance is frozen and does not see its connections die. After a rest longer than this they are
 * made anew: a dead one would cost the next customer an answer that is neither yes nor no.
 */
const TRUSTED_REST_MS = 5_000

/** What is left of an event's time when nobody is made to wait any longer: enough to answer. */
const ANSWER_MS = 1_000

// This module is the entry: AWS loads it once an instance, and reports what it throws as why the instance did not start.
const config = functionConfig(process.env)
const log = createLog('functions', config.logLevel, writtenAtOnce())
const instance = createInstance(config, log, platforms.lambda, nodeDocsAsset())

interface Serving {
  readonly connections: Connections
  readonly app: ReturnType<typeof createApp>
  readonly placement: () => Placement | undefined
}

let serving: Serving | undefined
let lastUsedMs = 0

/** What AWS tells of the call, as far as it matters here. */
interface CallContext {
  getRemainingTimeInMillis(): number
}

/**
 * The function that AWS calls for each event. Nobody tells it that a client has hung up; a request's signal means here
 * that AWS is about to end the call, and whoever waits is answered with what is known.
 */
export async function handler(event: LambdaEvent, context: CallContext): Promise<LambdaResult> {
  const ending = new AbortController()
  const end = (): void => {
    ending.abort()
  }
  const timer = setTimeout(end, Math.max(0, context.getRemainingTimeInMillis() - ANSWER_MS))
  try {
    return await answer(event, ending.signal)
  } finally {
    clearTimeout(timer)
  }
}

async function answer(event: LambdaEvent, signal: AbortSignal): Promise<LambdaResult> {
  let request: Request
  try {
    request = requestOf(event, signal)
  } catch {
    return resultOf(event, unreadable(instance))
  }
  const { app, connections } = trusted()
  await firstAttempt(connections.redis)
  const result = await resultOf(event, await app.fetch(request))
  lastUsedMs = Date.now()
  return result
}

function trusted(): Serving {
  if (serving !== undefined && Math.abs(Date.now() - lastUsedMs) <= TRUSTED_REST_MS) return serving
  const before = serving
  void before?.connections.close()
  serving = serve(before?.placement())
  return serving
}

function serve(placement: Placement | undefined): Serving {
  const connections = connect(instance, MYSQL_CONNECTIONS)
  // Nothing ends where another topology is found: each request hears of it anew, and is refused.
  const ports = assemblePorts(instance, connections, { placement, onDiffers: () => undefined })
  return { connections, app: createApp(ports), placement: () => ports.topology.current }
}
