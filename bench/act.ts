import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { launch, type ChildProcess } from '../deploy/local/child-process.ts'
import { freePort } from '../deploy/local/ports.ts'
import { Generator } from './load/generator.ts'
import type { Job, LoadReport } from './load/job.ts'
import { peakMemoryMb, ProcessorClock } from './processor-time.ts'
import { SECRET, type Stage } from './stage.ts'
import { nodeArguments, nodeEnvironment } from '../deploy/local/node-settings.ts'

const READY_MS = 30_000
const STOP_GRACE_MS = 15_000

/** A server of a row under load. */
export interface Served {
  readonly pid: number
  readonly port: number
}

type JobOf = Pick<Job, 'ports' | 'plan' | 'pace' | 'until' | 'connections'> & Partial<Job>

/** One row being measured: the processes that it starts, which end with it. */
export class Act {
  readonly stage: Stage
  readonly historyFile: string
  readonly #name: string
  readonly #children: ChildProcess[] = []
  readonly #pids = new Map<string, number[]>()
  readonly #generator: Generator
  #logs = 0

  private constructor(stage: Stage, name: string, generator: Generator) {
    this.stage = stage
    this.#name = name
    this.#generator = generator
    this.historyFile = join(stage.dir, `${name}.history`)
    this.#role('load', generator.pid)
    for (const server of stage.servers.processes) {
      this.#role(server.name.startsWith('Redis') ? 'redis' : 'mysql', server.pid)
    }
  }

  static async begin(stage: Stage, row: string): Promise<Act> {
    await stage.clear()
    return new Act(stage, row.replaceAll('/', '-'), await Generator.start())
  }

  /** A function server of ours, ready to serve. */
  async functions(settings: Readonly<Record<string, string>> = {}): Promise<Served> {
    const port = await freePort()
    const { pid } = await this.#start('functions', [], {
      PORT: String(port),
      AUTH_JWT_SECRET: SECRET,
      BACKLOG_CAP: '10000000',
      RATE_LIMIT: '0',
      ...settings,
    })
    this.#role('server', pid)
    await untilReady(`http://127.0.0.1:${port}/readyz`)
    return { pid, port }
  }

  /** A consumer of ours; `ready` waits until it has its partitions. */
  async consumer(settings: Readonly<Record<string, string>> = {}, { ready = true } = {}): Promise<Served> {
    const port = await freePort()
    const { pid } = await this.#start('consumer', [], { CONSUMER_PORT: String(port), ...settings })
    this.#role('consumer', pid)
    if (ready) await untilReady(`http://127.0.0.1:${port}/readyz`)
    return { pid, port }
  }

  /** One of each, ready. They start side by side, since neither needs the other. */
  async deployment(
    ofConsumer: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly consumer: Served; readonly server: Served }> {
    const [consumer, server] = await Promise.all([this.consumer(ofConsumer), this.functions()])
    return { consumer, server }
  }

  /** A bundle that says `{"port":N}` or `{"ready":true}` on a line of its own when it is there. */
  async announced(
    role: string,
    bundle: string,
    args: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Served> {
    const { pid, logFile } = await this.#start(bundle, args, {
      AUTH_JWT_SECRET: SECRET,
      PORT: String(await freePort()),
      ...settings,
    })
    this.#role(role, pid)
    const deadline = performance.now() + READY_MS
    for (;;) {
      const log = readFileSync(logFile, 'utf8')
      const port = /^\{"port":(\d+)\}$/m.exec(log)?.[1]
      if (port !== undefined || log.includes('{"ready":true}')) return { pid, port: Number(port ?? 0) }
      if (performance.now() > deadline) throw new Error(`${bundle} does not get ready: ${log.slice(-500)}`)
      await delay(20)
    }
  }

  load(job: JobOf): Promise<LoadReport> {
    return this.#generator.run({
      tokens: this.stage.tokens,
      first: 0,
      count: Number.MAX_SAFE_INTEGER,
      seconds: 60,
      ...job,
    })
  }

  /** Processor time of everything that runs now, from now on. */
  clock(): ProcessorClock {
    return new ProcessorClock(this.#pids)
  }

  /** Largest resident memory of a role's processes, in MB. */
  rssMb(role: string): number {
    return Math.max(0, ...(this.#pids.get(role) ?? []).map((pid) => peakMemoryMb(pid) ?? 0))
  }

  async end(): Promise<void> {
    await this.#generator.stop()
    await Promise.all(this.#children.map((child) => child.stop(STOP_GRACE_MS)))
  }

  #role(role: string, pid: number): void {
    this.#pids.set(role, [...(this.#pids.get(role) ?? []), pid])
  }

  /** With FRONTROW_PROFILE=functions or =consumer that process leaves a V8 profile in .local/profile. */
  async #start(
    bundle: string,
    args: readonly string[],
    settings: Readonly<Record<string, string>>,
  ): Promise<{ pid: number; logFile: string }> {
    const file = join(import.meta.dirname, `${bundle}.mjs`)
    if (!existsSync(file)) throw new Error(`there is no bundle ${bundle}`)
    const profile =
      process.env['FRONTROW_PROFILE'] === bundle ? ['--cpu-prof', '--cpu-prof-dir=.local/profile'] : []
    const logFile = join(this.stage.dir, `${this.#name}-${bundle}-${this.#logs++}.log`)
    closeSync(openSync(logFile, 'w', 0o600))
    const child = await launch({
      command: process.execPath,
      args: [...profile, ...nodeArguments(bundle), file, ...args],
      cwd: process.cwd(),
      logFile,
      channel: true,
      environment: {
        ...nodeEnvironment,
        REDIS_URL: this.stage.servers.redisUrl,
        DATABASE_URL: this.stage.databaseUrl,
        LOG_LEVEL: 'warn',
        ...settings,
      },
    })
    this.#children.push(child)
    return { pid: child.pid, logFile }
  }
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    const ready = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => {
        await response.body?.cancel()
        return response.ok
      },
      () => false,
    )
    if (ready) return
    if (performance.now() > deadline) throw new Error(`${url} does not get ready`)
    await delay(30)
  }
}
