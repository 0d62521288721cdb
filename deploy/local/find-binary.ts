import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'

/** Servers are often installed where an ordinary user's PATH does not look. */
const ALSO_IN = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec', '/opt/homebrew/bin', '/usr/local/bin']

/** The first of these programs that this machine has, as a path. */
export function findBinary(names: readonly string[], path: string | undefined): string | undefined {
  const folders = [...(path ?? '').split(delimiter).filter((folder) => folder !== ''), ...ALSO_IN]
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What a server says of its version; undefined if it does not run at all. */
export async function versionOf(binary: string, args: readonly string[]): Promise<string | undefined> {
  const { stdout, failed } = await execa(binary, args, { reject: false, timeout: 10_000, stdin: 'ignore' })
  return failed ? undefined : stdout
}

/** Whether a version like `10.11.19` is at least `floor`, compared number by number. */
export function isAtLeast(version: string, floor: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, wanted] of floor.entries()) {
    const part = parts[index] ?? 0
    if (part !== wanted) return part > wanted
  }
  return true
}
