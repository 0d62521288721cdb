import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findBinary, isAtLeast, versionOf } from './find-binary.ts'
import { PrivateServer } from './private-server.ts'
import { secretFile } from './secret-file.ts'
import { SetupError } from './setup-error.ts'

export interface ServerOptions {
  /** The server's own folder: a second start with it finds the data of the first. */
  readonly dir: string
  readonly port?: number
  /** Added behind ours, so that they prevail. */
  readonly extraArgs?: readonly string[]
  /** Added to this process's. */
  readonly environment?: Readonly<Record<string, string>>
  /** The PATH to search; without it, this process's. */
  readonly path?: string | undefined
}

/** What is promised for a request answered 202 (P2): synced before it is answered, and never evicted. */
export const redisDurability = [
  '--appendonly',
  'yes',
  '--appendfsync',
  'always',
  '--maxmemory-policy',
  'noeviction',
]

/**
 * When Redis writes its append-only file anew. A booking leaves two kilobytes in it, so from the usual 64 MB on a sale would
 * set off one rewriting after the other, each of which takes a processor from the sale. The price is that much of disk, and
 * seconds more to load it all at a start.
 */
export const redisRewriting = ['--auto-aof-rewrite-min-size', '1gb', '--rdbcompression', 'no']

/** Scripts carry the `#!lua` line of Redis 7. */
const FLOOR = [7, 0]

export function findRedis(path = process.env['PATH']): string | undefined {
  return findBinary(['redis-server'], path)
}

/** @throws SetupError if it is not there, too old, or does not start */
export async function startRedis(options: ServerOptions): Promise<PrivateServer> {
  const { dir, extraArgs = [], environment = {} } = options
  const { binary, version } = await checkedRedis(options.path)
  const password = secretFile(join(dir, 'password'))
  const workingDir = join(dir, 'data')
  mkdirSync(workingDir, { recursive: true, mode: 0o700 })
  // In a file, because everybody on this machine can read a command line.
  writeFileSync(join(workingDir, 'redis.conf'), `requirepass ${password}\n`, { mode: 0o600 })
  const url = (port: number): string => `redis://:${password}@127.0.0.1:${port}`
  return PrivateServer.begin(
    {
      name: `Redis ${version}`,
      dir,
      workingDir,
      command: binary,
      environment,
      args: (port) => [
        ...['redis.conf', '--port', String(port), '--bind', '127.0.0.1', '--daemonize', 'no', '--save', ''],
        ...redisDurability,
        ...redisRewriting,
        ...extraArgs,
      ],
      url,
      answers: (port) => answersPing(url(port)),
      // A large append-only file takes its time to load.
      readyTimeoutMs: 60_000,
      stopGraceMs: 10_000,
    },
    options.port,
  )
}

/** @throws SetupError if it is not there, too old, or does not run */
export async function checkedRedis(path?: string): Promise<{ binary: string; version: string }> {
  const binary = findRedis(path)
  if (binary === undefined) throw new SetupError('There is no redis-server on this machine.')
  const version = /v=(\d+\.\d+\.\d+)/.exec((await versionOf(binary, ['--version'])) ?? '')?.[1]
  if (version === undefined) throw new SetupError(`${binary} does not run.`)
  if (!isAtLeast(version, FLOOR))
    throw new SetupError(`${binary} is Redis ${version}; Frontrow needs ${FLOOR.join('.')} or newer.`)
  return { binary, version }
}

async function answersPing(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: () => null,
  })
  // Each failure also rejects the call below.
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    // While it loads its data it answers with an error.
    await redis.ping()
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
