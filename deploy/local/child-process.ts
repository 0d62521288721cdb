import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync, readlinkSync } from 'node:fs'
import { execa } from 'execa'
import { messageOf, SetupError } from './setup-error.ts'

export interface LaunchOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Standard output and standard error are appended to it. */
  readonly logFile: string
  readonly environment?: Readonly<Record<string, string>>
  /** With a channel the child is told when this process dies, however it dies. */
  readonly channel?: boolean
}

export interface ChildProcess {
  readonly pid: number
  /** Settles when it has ended, with how. */
  readonly ended: Promise<string>
  /** Asks it to end, and ends it after `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** SIGKILL, at once. */
  kill(): Promise<void>
}

/**
 * Starts a process in a group of its own, so that a terminal's Ctrl-C does not reach it: whoever started it
 * stops it, in order.
 *
 * @throws SetupError if it cannot be run at all
 */
export async function launch(options: LaunchOptions): Promise<ChildProcess> {
  // Open before the start, so that the child writes to the file itself and does so when we are gone.
  const log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 })
  await once(log, 'open')
  const subprocess = execa(options.command, options.args, {
    cwd: options.cwd,
    env: options.environment ?? {},
    stdin: 'ignore',
    stdout: log,
    stderr: log,
    ipc: options.channel ?? false,
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  })
  log.destroy()
  const { pid } = subprocess
  if (pid === undefined) {
    const { originalMessage } = await subprocess
    throw new SetupError(`${options.command} could not be started: ${originalMessage}.`)
  }
  const ended = subprocess.then(
    ({ signal, exitCode }) => signal ?? `exit code ${exitCode ?? 'unknown'}`,
    messageOf,
  )
  return { pid, ended, stop: (graceMs) => stopGroup(pid, ended, graceMs), kill: () => killGroup(pid, ended) }
}

async function killGroup(pid: number, ended: Promise<unknown>): Promise<void> {
  signalGroup(pid, 'SIGKILL')
  await ended
}

async function stopGroup(pid: number, ended: Promise<unknown>, graceMs: number): Promise<void> {
  signalGroup(pid, 'SIGTERM')
  // A frozen process would not hear it.
  signalGroup(pid, 'SIGCONT')
  const timer = setTimeout(() => {
    signalGroup(pid, 'SIGKILL')
  }, graceMs)
  await ended
  clearTimeout(timer)
}

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Working folder and command line of a live process; '' if there is none. A number alone does not say who a
 * process is: the system gives it to others later.
 */
export async function describeProcess(pid: number): Promise<string> {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return `${readlinkSync(`/proc/${pid}/cwd`)} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`
    } catch {
      return ''
    }
  }
  const { stdout, failed } = await execa('ps', ['-p', String(pid), '-o', 'command='], { reject: false })
  return failed ? '' : stdout
}

/**
 * Ends a process that is no child of ours, if its description holds one of `marks`: waits `patienceMs` for it to end by
 * itself, asks it to, and kills it `graceMs` later.
 */
export async function endStranger(
  pid: number,
  marks: readonly string[],
  { patienceMs = 0, graceMs }: { patienceMs?: number; graceMs: number },
): Promise<void> {
  const gone = async (withinMs: number): Promise<boolean> => {
    const deadline = performance.now() + withinMs
    for (;;) {
      const description = await describeProcess(pid)
      if (!marks.some((mark) => description.includes(mark))) return true
      if (performance.now() >= deadline) return false
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  if (await gone(patienceMs)) return
  signalGroup(pid, 'SIGTERM')
  signalGroup(pid, 'SIGCONT')
  if (await gone(graceMs)) return
  signalGroup(pid, 'SIGKILL')
  await gone(5_000)
}
