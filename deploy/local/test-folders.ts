import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describeProcess } from './child-process.ts'
import { removeLeftovers } from './private-server.ts'

/** Where a test run keeps its servers. Named by its process, so that others can see whether it still runs. */
export function testFolder(local: string, pid: number): string {
  return join(local, `test-${pid}`)
}

/** Ends the servers of test runs that are no more, and removes their folders. */
export async function removeAbandoned(local: string): Promise<void> {
  if (!existsSync(local)) return
  for (const name of readdirSync(local)) {
    const pid = /^test-(\d+)$/.exec(name)?.[1]
    if (pid === undefined) continue
    const owner = await describeProcess(Number(pid))
    if (!owner.includes('vitest')) await removeLeftovers(join(local, name))
  }
}
