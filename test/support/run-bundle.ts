import { execFile } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command as its user does, from its bundle, which the global set-up has built. */
export function runBundle(
  name: 'migrate' | 'frontrow',
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const env = { PATH: process.env['PATH'], NO_COLOR: '1', ...environment }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(root, 'dist', `${name}.mjs`), ...args],
      { env, timeout: 60_000 },
      (_, stdout, stderr) => {
        resolve({ exitCode: child.exitCode ?? -1, stdout, stderr })
      },
    )
  })
}
