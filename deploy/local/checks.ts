import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/**
 * Runs every `check:` script of package.json, two at a time, and says of each in one line how it went; of one
 * that failed, also why.
 */
export async function runChecks(root: string, log: (line: string) => void): Promise<Counts> {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const names = Object.keys(scripts).filter((name) => name.startsWith('check:'))
  const waiting = [...names]
  let failed = 0
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = await execa('npm', ['run', '--silent', name], {
        cwd: root,
        reject: false,
        stdin: 'ignore',
        all: true,
      })
      if (result.failed) failed += 1
      log(`${name} ${result.failed ? 'failed' : 'ok'}`)
      if (result.failed) log(result.all)
    }
  }
  await Promise.all([worker(), worker()])
  return { passed: names.length - failed, failed, skipped: 0 }
}
