import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findServers, type Servers } from '../deploy/local/find-servers.ts'
import { projectRoot } from '../deploy/local/project-root.ts'
import { messageOf } from '../deploy/local/setup-error.ts'
import { Shutdown } from '../deploy/local/shutdown.ts'

/** One run of the benchmark: its own servers, and where it writes. */
export interface Session {
  readonly servers: Servers
  /** For data, logs and histories; gone at the end. */
  readonly dir: string
  /** For what stays. */
  readonly results: string
  /** As it was started. */
  readonly command: string
  readonly shutdown: Shutdown
}

/** Brings servers up, lets `work` measure on them, and takes all down in order, also after Ctrl-C. Ends the process. */
export async function runSession(
  script: string,
  allowInstall: boolean,
  work: (session: Session) => Promise<void>,
): Promise<never> {
  const shutdown = new Shutdown((line) => {
    console.log(line)
  })
  try {
    const session = await open(script, allowInstall, shutdown)
    if (!shutdown.isAsked()) await work(session)
    if (shutdown.isAsked()) process.exitCode = 130
  } catch (error) {
    console.error(messageOf(error))
    process.exitCode = 1
  } finally {
    await shutdown.run()
  }
  process.exit()
}

async function open(script: string, allowInstall: boolean, shutdown: Shutdown): Promise<Session> {
  // Beside the checkout, not where temporary files go: that may be memory, where a sync costs nothing.
  const results = join(projectRoot(), '.local', 'bench')
  mkdirSync(results, { recursive: true })
  const dir = mkdtempSync(join(results, 'run-'))
  shutdown.add({
    what: 'what was written',
    inOrder: () => {
      rmSync(dir, { recursive: true, force: true })
      return Promise.resolve()
    },
  })
  const log = (line: string): void => {
    console.log(line)
  }
  const servers = await findServers({ dataDir: dir, allowInstall, keepData: false, environment: {}, log })
  shutdown.add({ what: 'Redis and MySQL', inOrder: () => servers.stop() })
  console.log(`Servers: ${servers.description}`)
  const command = `npm run ${[script, ...process.argv.slice(2)].join(' ').replace(' ', ' -- ')}`
  return { servers, dir, results, command, shutdown }
}
