import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, endStranger, signalGroup, type ChildProcess } from './child-process.ts'
import { freePort, portIsFree } from './ports.ts'
import { SetupError } from './setup-error.ts'

/** What a server needs to be run privately: on 127.0.0.1, with everything it owns in one folder. */
export interface ServerRecipe {
  readonly name: string
  readonly dir: string
  /** Where the process works; also how a left-over one is recognised. */
  readonly workingDir: string
  readonly command: string
  readonly args: (port: number) => readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly url: (port: number) => string
  /** Whether it answers on that port by now. */
  readonly answers: (port: number) => Promise<boolean>
  readonly readyTimeoutMs: number
  readonly stopGraceMs: number
}

interface Note {
  readonly pid: number
  readonly port: number
}

const NOTE = 'server.json'
const LOG = 'server.log'
/** A free port may be taken by somebody else before the server has it. */
const PORT_ATTEMPTS = 5

/** One private server, which can be killed and started again on its port. */
export class PrivateServer {
  readonly name: string
  readonly #recipe: ServerRecipe
  #port: number
  #child: ChildProcess | undefined

  private constructor(recipe: ServerRecipe, port: number) {
    this.name = recipe.name
    this.#recipe = recipe
    this.#port = port
  }

  /** @param port the port it must have; without it, the one it had before, or any that is free */
  static async begin(recipe: ServerRecipe, port?: number): Promise<PrivateServer> {
    mkdirSync(recipe.dir, { recursive: true, mode: 0o700 })
    await stopLeftover(recipe.dir)
    const server = new PrivateServer(recipe, port ?? readNote(recipe.dir)?.port ?? (await freePort()))
    for (let attempt = 1; ; attempt += 1) {
      const free = await portIsFree('127.0.0.1', server.#port)
      if (!free && port !== undefined)
        throw new SetupError(`Port ${port} is in use; ${recipe.name} cannot have it.`)
      try {
        if (!free) throw new SetupError(`Port ${server.#port} is in use.`)
        await server.start()
        return server
      } catch (error) {
        const taken = !free || !(await portIsFree('127.0.0.1', server.#port))
        if (!taken || port !== undefined || attempt === PORT_ATTEMPTS) throw error
        server.#port = await freePort()
      }
    }
  }

  get url(): string {
    return this.#recipe.url(this.#port)
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`${this.name} is not running`)
    return this.#child.pid
  }

  /** Settles when the run that goes on now has ended, with how. */
  get ended(): Promise<string> {
    return this.#child?.ended ?? Promise.resolve('not running')
  }

  /** Starts it again on the port it had, and waits until it answers. */
  async start(): Promise<void> {
    const { dir, workingDir, command, args, environment, name } = this.#recipe
    const logFile = join(dir, LOG)
    const child = await launch({ command, args: args(this.#port), cwd: workingDir, logFile, environment })
    this.#child = child
    writeFileSync(join(dir, NOTE), JSON.stringify({ pid: child.pid, port: this.#port } satisfies Note), {
      mode: 0o600,
    })
    const how = await this.#untilItAnswers(child)
    if (how === undefined) return
    await this.kill()
    throw new SetupError(`${name} did not start (${how}); its log ends: ${lastLine(logFile)}`)
  }

  /** Answers undefined once it answers, and otherwise why not. */
  async #untilItAnswers(child: ChildProcess): Promise<string | undefined> {
    const { readyTimeoutMs, answers } = this.#recipe
    const state: { how?: string } = {}
    void child.ended.then((how) => (state.how = how))
    const deadline = performance.now() + readyTimeoutMs
    while (performance.now() < deadline) {
      if (state.how !== undefined) return state.how
      if (await answers(this.#port)) return undefined
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return `no answer within ${readyTimeoutMs / 1_000} s`
  }

  /** Lets it end in order. */
  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    await child?.stop(this.#recipe.stopGraceMs)
  }

  /** SIGKILL: what it had in memory only is lost. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    await child?.kill()
  }

  /** SIGKILL without waiting, for a process that is itself about to end. */
  killNow(): void {
    if (this.#child !== undefined) signalGroup(this.#child.pid, 'SIGKILL')
  }
}

function readNote(dir: string): Note | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, NOTE), 'utf8')) as Note
  } catch {
    return undefined
  }
}

/** Ends the server that a killed supervisor left behind on a folder: two on the same data would ruin it. */
export async function stopLeftover(dir: string): Promise<void> {
  const note = readNote(dir)
  if (note === undefined) return
  await endStranger(note.pid, [dir, `127.0.0.1:${note.port}`], { graceMs: 20_000 })
}

/** Ends what was left behind anywhere under a folder of server folders, then removes the folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  if (!existsSync(folder)) return
  const notes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith(NOTE),
  )
  for (const note of notes) await stopLeftover(join(folder, note, '..'))
  rmSync(folder, { recursive: true, force: true })
}

/** The line of a log that most likely says what is wrong. */
export function lastLine(path: string): string {
  return tellingLine(readFileSync(path, 'utf8'))
}

/** The last line that sounds like trouble, or else the last. */
export function tellingLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const telling = lines.findLast((line) => /error|fatal|fail|denied|cannot|can't|could not/i.test(line))
  return telling ?? lines.at(-1) ?? '(it is empty)'
}
