import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, type ChildProcess } from '../../deploy/local/child-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { lastLine } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { until } from './until.ts'

export interface ProcessOptions {
  readonly bundle: 'functions' | 'consumer'
  /** Its log goes there. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  /** A module that is loaded before the bundle. */
  readonly preload?: string | undefined
}

let started = 0

/** A function server or a consumer as it is deployed: its bundle, in a process that can be killed, stopped and continued. */
export class BundleProcess {
  readonly name: string
  readonly url: string
  readonly logFile: string
  private readonly child: ChildProcess
  private frozen = false
  private gone = false

  private constructor(name: string, url: string, logFile: string, child: ChildProcess) {
    this.name = name
    this.url = url
    this.logFile = logFile
    this.child = child
    void child.ended.then(() => (this.gone = true))
  }

  /** Starts it; `ready` tells when it works. */
  static async start({ bundle, folder, environment, preload }: ProcessOptions): Promise<BundleProcess> {
    const port = await freePort()
    const name = `${bundle}-${++started}`
    const logFile = join(folder, `${name}.log`)
    const root = projectRoot()
    const child = await launch({
      command: process.execPath,
      args: [
        ...(preload === undefined ? [] : ['--import', preload]),
        ...['--enable-source-maps', join(root, 'dist', `${bundle}.mjs`)],
      ],
      cwd: root,
      logFile,
      environment: {
        LOG_LEVEL: 'info',
        ...environment,
        [bundle === 'functions' ? 'PORT' : 'CONSUMER_PORT']: String(port),
      },
      // Should this process die, the child stops by itself.
      channel: true,
    })
    return new BundleProcess(name, `http://127.0.0.1:${port}`, logFile, child)
  }

  /** The name that a consumer has given itself; undefined until it has said it. */
  get memberName(): string | undefined {
    return /"consumer":"(consumer-[\w-]+)"/.exec(readFileSync(this.logFile, 'utf8'))?.[1]
  }

  get isRunning(): boolean {
    return !this.gone
  }

  /** Waits until `/readyz` says so. @throws with its log's last word */
  async ready(timeoutMs = 20_000): Promise<void> {
    try {
      await until(() => this.gone || this.isReady(), timeoutMs)
    } catch {
      throw new Error(
        `${this.name} is not ready after ${timeoutMs} ms; its log ends: ${lastLine(this.logFile)}`,
      )
    }
    if (this.gone) throw new Error(`${this.name} has ended; its log ends: ${lastLine(this.logFile)}`)
  }

  async isReady(): Promise<boolean> {
    const answer = await this.get('/readyz')
    return answer?.status === 200
  }

  /** Whether it answers at all. */
  async isListening(): Promise<boolean> {
    return (await this.get('/livez')) !== undefined
  }

  /** A counter's value, summed over its labels; 0 where it does not answer. */
  async count(metric: string): Promise<number> {
    const text = (await this.get('/metrics'))?.text ?? ''
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  /** SIGSTOP: from now on it does nothing, and does not know it. */
  freeze(): void {
    this.frozen = true
    process.kill(this.child.pid, 'SIGSTOP')
  }

  /** SIGCONT. */
  wake(): void {
    this.frozen = false
    if (this.isRunning) process.kill(this.child.pid, 'SIGCONT')
  }

  /** Blocks its event loop for ten seconds, if it was started with that preload. */
  block(): void {
    process.kill(this.child.pid, 'SIGUSR2')
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.child.kill()
  }

  /** SIGTERM: lets it finish what is in flight. */
  async stop(graceMs = 20_000): Promise<void> {
    if (this.frozen) this.wake()
    await this.child.stop(graceMs)
  }

  private async get(path: string): Promise<{ status: number; text: string } | undefined> {
    try {
      const response = await fetch(this.url + path, { signal: AbortSignal.timeout(1_000) })
      return { status: response.status, text: await response.text() }
    } catch {
      return undefined
    }
  }
}
