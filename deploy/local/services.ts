import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { launch, type ChildProcess } from './child-process.ts'
import { KeptProcess } from './keep-running.ts'
import { freePort, portIsFree } from './ports.ts'
import { lastLine } from './private-server.ts'
import { SetupError } from './setup-error.ts'
import { nodeArguments, nodeEnvironment } from './node-settings.ts'

/** One function server or consumer. */
export interface Service {
  readonly name: string
  readonly url: string
  readonly logFile: string
  readonly process: KeptProcess
}

export interface ServiceOptions {
  readonly name: string
  readonly bundle: string
  readonly root: string
  readonly url: string
  readonly environment: Readonly<Record<string, string>>
  readonly log: (line: string) => void
  readonly onRestart: () => void
}

/** Deaths before the first readiness after which a start-up is given up: trying on would not mend it. */
const HOPELESS_DEATHS = 3
const READY_MS = 90_000
const PROBE_MS = 2_000

export async function startService(options: ServiceOptions): Promise<Service> {
  const { name, bundle, root, url, environment, log, onRestart } = options
  const logs = join(root, '.local', 'logs')
  mkdirSync(logs, { recursive: true, mode: 0o700 })
  const logFile = join(logs, `${name.replace(' ', '-')}.log`)
  const start = (): Promise<ChildProcess> =>
    launch({
      command: process.execPath,
      args: [...nodeArguments(bundle), join(root, 'dist', bundle)],
      cwd: root,
      logFile,
      environment: { ...nodeEnvironment, ...environment },
      channel: true,
    })
  return { name, url, logFile, process: KeptProcess.begin({ name, start, log, onRestart }, await start()) }
}

/** @throws SetupError with what its log says last, if it does not get ready; returns early if `isAsked` to stop */
export async function untilReady(service: Service, isAsked: () => boolean): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (!isAsked()) {
    if (await isReady(service.url)) return
    const hopeless = service.process.deaths >= HOPELESS_DEATHS
    if (hopeless || performance.now() > deadline) {
      throw new SetupError(`${service.name} does not get ready; its log ends: ${lastLine(service.logFile)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(PROBE_MS) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

/** The port that a variable asks for, or its default. @throws SetupError if that is no port, or in use */
export async function functionPort(host: string, given: string | undefined): Promise<number> {
  const port = given ? parsePort('PORT', given) : 8080
  if (port === 0) return freePort()
  if (await portIsFree(host, port)) return port
  throw new SetupError(
    `Port ${port} is in use by another process: set PORT to a free one, as in \`PORT=8081 npm start\`.`,
  )
}

/** Ports of consumers: from CONSUMER_PORT on, which must be free if somebody asked for it; otherwise any will do. */
export async function consumerPorts(
  host: string,
  given: string | undefined,
  count: number,
): Promise<number[]> {
  const first = given ? parsePort('CONSUMER_PORT', given) : 8090
  const ports: number[] = []
  for (let index = 0; index < count; index += 1) {
    const wanted = first === 0 ? 0 : first + index
    const free = wanted !== 0 && wanted < 65_536 && (await portIsFree(host, wanted))
    if (!free && given && wanted !== 0) {
      throw new SetupError(
        `Port ${wanted} is in use by another process: set CONSUMER_PORT to the first of ${count} free ones.`,
      )
    }
    ports.push(free ? wanted : await freePort())
  }
  return ports
}

function parsePort(variable: string, text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port
  throw new SetupError(`${variable} must be a port from 0 to 65535.`)
}
