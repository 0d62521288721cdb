import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { nodeArguments } from '../../deploy/local/node-settings.ts'
import type { Job, LoadReport } from './job.ts'

type Message = { readonly report: LoadReport } | { readonly failed: string }

/** The generator's process, as those who measure drive it. */
export class Generator {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** In a group of its own, so that a terminal's Ctrl-C reaches only whoever stops it in order. */
  static async start(): Promise<Generator> {
    const child = fork(join(import.meta.dirname, 'bench-load.mjs'), [], {
      detached: true,
      execArgv: nodeArguments('bench-load'),
    })
    await once(child, 'spawn')
    return new Generator(child)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** @throws if the load could not be made */
  async run(job: Job): Promise<LoadReport> {
    const ended = once(this.#child, 'exit').then(() => ({ failed: 'the load generator ended' }))
    const answered = once(this.#child, 'message').then(([message]) => message as Message)
    this.#child.send(job)
    const message: Message = await Promise.race([answered, ended])
    if ('failed' in message) throw new Error(message.failed)
    return message.report
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}
