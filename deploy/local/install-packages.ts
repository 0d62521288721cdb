import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { execa } from 'execa'
import { SetupError } from './setup-error.ts'

const PACKAGES = {
  redis: ['redis-server'],
  // mariadb-install-db calls a program of the client package.
  mysql: ['mariadb-server-core', 'mariadb-client-core'],
  // For tests: a clock that jumps, and certificates.
  faketime: ['libfaketime'],
  openssl: ['openssl'],
}

export type Installable = keyof typeof PACKAGES

const APT = '/usr/bin/apt-get'

/** Asked by the packages' own scripts whether they may start their service; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Whether this is Debian, Ubuntu or the like, and we may install there. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync(APT)
}

/**
 * Installs what is missing from the system's packages, without starting any service.
 *
 * @throws SetupError if that fails
 */
export async function installMissing(
  missing: readonly Installable[],
  log: (line: string) => void,
): Promise<void> {
  const packages = missing.flatMap((name) => PACKAGES[name])
  log(`Installing ${packages.join(', ')} with apt-get (--no-install forbids it) ...`)
  const ownPolicy = !existsSync(POLICY)
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await aptGet(['update'])
    await aptGet(['install', '--yes', '--no-install-recommends', ...packages])
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true })
  }
}

async function aptGet(args: readonly string[]): Promise<void> {
  const result = await execa(APT, ['--quiet=2', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: 300_000,
  })
  if (!result.failed) return
  const complaint = result.all.split('\n').findLast((line) => line.startsWith('E:')) ?? result.shortMessage
  throw new SetupError(`apt-get ${args[0] ?? ''} failed: ${complaint}`)
}
