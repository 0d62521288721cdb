import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import type { TestProject } from 'vitest/node'
import { removeAbandoned, testFolder } from '../../deploy/local/test-folders.ts'
import { findServers, type Servers } from '../../deploy/local/find-servers.ts'
import { removeLeftovers } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { prepareMachine } from './prepare-machine.ts'

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
    /** Its user may create databases. */
    databaseUrl: string
  }
}

const root = projectRoot()
const local = join(root, '.local')

/**
 * Servers and bundles for the tests that need them; answers with what takes them down again. Called for each project of
 * a run, one after the other: the first brings up what all of them share.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { vitest } = project
  const { redisUrl } = vitest.getRootProject().getProvidedContext() as { readonly redisUrl?: string }
  if (redisUrl !== undefined) return undefined
  await removeAbandoned(local)
  await execa(process.execPath, [join(root, 'deploy', 'build.mjs')], { stdin: 'ignore' })
  const dataDir = testFolder(local, process.pid)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const allowInstall = process.env['FRONTROW_NO_INSTALL'] === undefined
  const log = (line: string): void => {
    console.log(line)
  }
  const servers = await findServers({
    dataDir,
    allowInstall,
    keepData: false,
    environment: process.env,
    log,
  })
  log(`Servers: ${servers.description}`)
  const forget = killOnExit(servers)
  await prepareMachine(allowInstall, log)
  vitest.provide('redisUrl', servers.redisUrl)
  vitest.provide('databaseUrl', servers.databaseUrl)
  return async () => {
    await servers.stop()
    forget()
    // Also ends servers that a test has left behind in there.
    await removeLeftovers(dataDir)
  }
}

/** Ctrl-C ends the test runner without its tear-down. What that leaves in the folder goes after it, or at the next run. */
function killOnExit(servers: Servers): () => void {
  const kill = (): void => {
    for (const server of servers.processes) server.killNow()
  }
  process.on('exit', kill)
  return () => process.off('exit', kill)
}
