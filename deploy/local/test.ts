import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { runChecks, type Counts } from './checks.ts'
import { projectRoot } from './project-root.ts'
import { runEntry } from './setup-error.ts'
import { removeAbandoned } from './test-folders.ts'

/** `npm test`: the checks, then all tests. Its last line is the sum of both, whatever happens before. */

const root = projectRoot()

const none: Counts = { passed: 0, failed: 0, skipped: 0 }

const log = (line: string): void => {
  console.log(line)
}

async function main(): Promise<number> {
  const words = process.argv.slice(2)
  const own = ['--no-check', '--no-install']
  const checks = words.includes('--no-check') ? none : await runChecks(root, log)
  const tests = await runTests(
    words.filter((word) => !own.includes(word)),
    words.includes('--no-install'),
  )
  const sum: Counts = {
    passed: checks.passed + tests.passed,
    failed: checks.failed + tests.failed,
    skipped: checks.skipped + tests.skipped,
  }
  log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped === 0 ? '' : `, ${sum.skipped} skipped`}`)
  return sum.failed === 0 ? 0 : 1
}

/** In a process of its own: one that crashes or is killed must not take the last line with it. */
async function runTests(args: readonly string[], noInstall: boolean): Promise<Counts> {
  const folder = join(root, '.local')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const report = join(folder, `tests-${process.pid}.json`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  // A terminal's Ctrl-C reaches the tests directly; we wait for their clean-up, and still say what was counted.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  try {
    const { exitCode, signal } = await execa(
      process.execPath,
      [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
      {
        cwd: root,
        env: noInstall ? { FRONTROW_NO_INSTALL: '1' } : {},
        stdin: 'ignore',
        stdout: 'inherit',
        stderr: 'inherit',
        reject: false,
      },
    )
    if (signal !== undefined) log(`The tests were ended by ${signal}.`)
    return count(report, exitCode === 0)
  } finally {
    // A run that was killed has not taken its servers down.
    await removeAbandoned(folder)
    process.off('SIGINT', ignore)
    rmSync(report, { force: true })
  }
}

const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) }),
  ),
})

/** A file that could not be loaded has no tests to count, and an error outside of tests fails none: each is a failure. */
function count(path: string, succeeded: boolean): Counts {
  if (!existsSync(path)) return { ...none, failed: 1 }
  const parsed = reportSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success) return { ...none, failed: 1 }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = parsed.data
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  const failed = numFailedTests + brokenFiles.length
  return {
    passed: numPassedTests,
    failed: failed === 0 && !succeeded ? 1 : failed,
    skipped: numPendingTests + numTodoTests,
  }
}

await runEntry(main)
