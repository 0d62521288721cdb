import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeProcess, endStranger } from './child-process.ts'
import { SetupError } from './setup-error.ts'

/** What `npm start` tells other programs, in .local/runtime.json while it runs. */
export interface Runtime {
  readonly api: string
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly jwtSecret: string
  readonly tokens: { readonly customer: string; readonly admin: string }
  readonly pids: {
    readonly supervisor: number
    readonly functions: number
    readonly consumers: readonly number[]
  }
}

const RUNTIME = 'runtime.json'
const LOCK = 'start.pid'

export function writeRuntime(local: string, runtime: Runtime): void {
  const draft = join(local, `${RUNTIME}.draft`)
  writeFileSync(draft, `${JSON.stringify(runtime, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(draft, join(local, RUNTIME))
}

function readRuntime(local: string): Runtime | undefined {
  try {
    return JSON.parse(readFileSync(join(local, RUNTIME), 'utf8')) as Runtime
  } catch {
    return undefined
  }
}

/**
 * Makes this process the one supervisor of the checkout, and ends what a killed one has left behind.
 *
 * @returns what gives the place up again
 * @throws SetupError if another one is there
 */
export async function becomeSupervisor(local: string): Promise<() => void> {
  mkdirSync(local, { recursive: true, mode: 0o700 })
  await takeLock(local)
  const before = readRuntime(local)
  if (before !== undefined) await endChildren(before)
  const giveUp = (): void => {
    for (const name of [RUNTIME, LOCK]) rmSync(join(local, name), { force: true })
  }
  rmSync(join(local, RUNTIME), { force: true })
  return giveUp
}

async function takeLock(local: string): Promise<void> {
  const lock = join(local, LOCK)
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(readFileSync(lock, 'utf8'))
    if ((await describeProcess(owner)).includes('bootstrap.mjs')) {
      const api = readRuntime(local)?.api
      const where = api === undefined ? '' : ` at ${api}`
      throw new SetupError(
        `\`npm start\` runs here already (process ${owner}${where}): stop it with Ctrl-C first.`,
      )
    }
    rmSync(lock, { force: true })
  }
}

/** They notice by themselves that their supervisor is gone; one that is frozen does not. */
async function endChildren({ pids }: Runtime): Promise<void> {
  const children = [pids.functions, ...pids.consumers]
  const marks = ['dist/functions.mjs', 'dist/consumer.mjs']
  await Promise.all(children.map((pid) => endStranger(pid, marks, { patienceMs: 3_000, graceMs: 5_000 })))
}
