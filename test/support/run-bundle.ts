import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..', '..')

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Builds what the commands run. Bundles that are up to date stay as they are. */
export async function buildBundles(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'deploy', 'build.mjs')])
}

/** Runs a command as its user does, from its bundle. */
export function runBundle(
  name: 'migrate' | 'frontrow',
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const env = { PATH: process.env['PATH'], NO_COLOR: '1', ...environment }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(root, 'dist', `${name}.js`), ...args],
      { env, timeout: 60_000 },
      (_, stdout, stderr) => {
        resolve({ exitCode: child.exitCode ?? -1, stdout, stderr })
      },
    )
  })
}
