import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import type { TestProject } from 'vitest/node'
import { describeProcess } from '../../deploy/local/child-process.ts'
import { findServers, type Servers } from '../../deploy/local/find-servers.ts'
import { removeLeftovers } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
    /** Its user may create databases. */
    databaseUrl: string
  }
}

const root = projectRoot()
const local = join(root, '.local')

/** Servers and bundles for the tests that need them; answers with what takes them down again. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned()
  await execa(process.execPath, [join(root, 'deploy', 'build.mjs')], { stdin: 'ignore' })
  const dataDir = join(local, `test-${process.pid}`)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const servers = await findServers({
    dataDir,
    allowInstall: process.env['FRONTROW_NO_INSTALL'] === undefined,
    keepData: false,
    environment: process.env,
    log: (line) => {
      console.log(line)
    },
  })
  console.log(`Servers: ${servers.description}`)
  const forget = killOnExit(servers)
  project.provide('redisUrl', servers.redisUrl)
  project.provide('databaseUrl', servers.databaseUrl)
  return async () => {
    await servers.stop()
    forget()
    // Also ends servers that a test has left behind in there.
    await removeLeftovers(dataDir)
  }
}

/** Ctrl-C ends the test runner without its tear-down. What that leaves in the folder goes at the next run. */
function killOnExit(servers: Servers): () => void {
  const kill = (): void => {
    for (const server of servers.processes) server.killNow()
  }
  process.on('exit', kill)
  return () => process.off('exit', kill)
}

/** Servers and folders of runs that were killed. */
async function removeAbandoned(): Promise<void> {
  if (!existsSync(local)) return
  for (const name of readdirSync(local)) {
    const pid = /^test-(\d+)$/.exec(name)?.[1]
    if (pid === undefined) continue
    const owner = await describeProcess(Number(pid))
    if (!owner.includes('vitest')) await removeLeftovers(join(local, name))
  }
}
