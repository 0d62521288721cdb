import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LambdaEvent, LambdaResult } from '../../../functions/adapters/lambda-events.ts'
import { projectRoot } from '../../../deploy/local/project-root.ts'

type Message = { readonly result: LambdaResult } | { readonly error: string }

/**
 * One execution environment of a function: a process with the bundle in it, which gets one event at a time and is frozen
 * in between, as AWS does it.
 */
export class LambdaInstance {
  private readonly child: ChildProcess

  private constructor(child: ChildProcess) {
    this.child = child
  }

  static async start(
    environment: Readonly<Record<string, string>>,
    log: (text: string) => void,
    bundle = join(projectRoot(), 'dist', 'lambda', 'index.mjs'),
  ): Promise<LambdaInstance> {
    const child = fork(join(import.meta.dirname, 'lambda-runtime.mjs'), [bundle], {
      env: { ...environment },
      silent: true,
    })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        log(String(chunk))
      })
    const ended = once(child, 'exit').then(() => {
      throw new Error('the function did not start')
    })
    await Promise.race([once(child, 'message'), ended])
    ended.catch(() => undefined)
    return new LambdaInstance(child)
  }

  /** @throws what the function threw: AWS answers that with a 502 */
  async invoke(event: LambdaEvent): Promise<LambdaResult> {
    this.child.kill('SIGCONT')
    const answered = once(this.child, 'message')
    this.child.send({ event })
    const [message] = (await answered) as [Message]
    this.child.kill('SIGSTOP')
    if ('error' in message) throw new Error(message.error)
    return message.result
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}
