import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findMysql, startMysql } from '../../deploy/local/mysql-server.ts'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { findRedis, startRedis } from '../../deploy/local/redis-server.ts'
import { testFolder } from '../../deploy/local/test-folders.ts'
import type { FakeClock } from './fake-clock.ts'
import type { FaultyProxy } from './faulty-proxy.ts'
import { until } from './until.ts'

/** Servers that are killed must be a test's own, and processes of this machine. */
export function canHaveOwnServers(): boolean {
  return findRedis() !== undefined && findMysql() !== undefined
}

/** A folder of a test's own, in the one that is cleared away after this process. */
export function ownFolder(): string {
  const folder = join(testFolder(join(projectRoot(), '.local'), process.pid), randomBytes(4).toString('hex'))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

export interface OwnRedisOptions {
  /** Folder within the test's own; two servers need two. */
  readonly name?: string
  /** The time of day that it sees, if not this machine's. */
  readonly clock?: FakeClock
  readonly extraArgs?: readonly string[]
}

/** A Redis that can be killed. */
export function startOwnRedis(
  folder: string,
  { name = 'redis', clock, extraArgs = [] }: OwnRedisOptions = {},
): Promise<PrivateServer> {
  return startRedis({
    dir: join(folder, name),
    extraArgs,
    ...(clock && { environment: clock.environment }),
  })
}

/** A Redis that knows what another one of the same folder knows, as long as the link between them holds. */
export async function startReplica(
  folder: string,
  primary: PrivateServer,
  link: FaultyProxy,
): Promise<PrivateServer> {
  // One password, because clients go from one to the other.
  mkdirSync(join(folder, 'replica'), { mode: 0o700 })
  cpSync(join(folder, 'redis', 'password'), join(folder, 'replica', 'password'))
  const replica = await startOwnRedis(folder, { name: 'replica' })
  const address = new URL(link.urlOf(primary.url))
  await withRedis(primary, (redis) => redis.config('SET', 'repl-diskless-sync-delay', '0'))
  await withRedis(replica, async (redis) => {
    await redis.config('SET', 'masterauth', decodeURIComponent(address.password))
    await redis.replicaof(address.hostname, address.port)
    await until(async () => (await redis.info('replication')).includes('master_link_status:up'))
  })
  return replica
}

/** Makes a replica a primary. */
export async function promote(replica: PrivateServer): Promise<void> {
  await withRedis(replica, (redis) => redis.replicaof('NO', 'ONE'))
}

async function withRedis<T>(server: PrivateServer, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url, { protocol: 2 })
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

export function startOwnMysql(folder: string, extraArgs: readonly string[] = []): Promise<PrivateServer> {
  return startMysql({ dir: join(folder, 'mysql'), extraArgs })
}
