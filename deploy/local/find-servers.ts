import { join } from 'node:path'
import { dockerAnswers } from './docker-engine.ts'
import type { FindOptions, FoundServer } from './found-server.ts'
import { givenDatabase, givenRedis } from './given-servers.ts'
import { canInstall, installMissing } from './install-packages.ts'
import { findMysql, startMysql } from './mysql-server.ts'
import { stopLeftover, type PrivateServer } from './private-server.ts'
import { findRedis, startRedis } from './redis-server.ts'
import { messageOf, SetupError } from './setup-error.ts'

export interface Servers {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly description: string
  /** Those that are processes of ours on this machine. */
  readonly processes: readonly PrivateServer[]
  stop(): Promise<void>
}

type Kind = 'redis' | 'mysql'
type Source = (kind: Kind) => Promise<FoundServer | undefined>

/**
 * Redis and MySQL, each from the first of: the environment, a Docker engine, a program of this machine
 * (installed first where that is possible and allowed).
 *
 * @throws SetupError with the choices, if there are none
 */
export async function findServers(options: FindOptions): Promise<Servers> {
  // Before a choice is made: the choice may fall elsewhere this time.
  for (const kind of ['redis', 'mysql']) await stopLeftover(join(options.dataDir, kind))
  const sources = [given(options), await docker(options), ofThisMachine(options)]
  const redis = await firstOf('redis', sources)
  try {
    const mysql = await firstOf('mysql', sources)
    return {
      redisUrl: redis.url,
      databaseUrl: mysql.url,
      description: `${redis.description}; ${mysql.description}`,
      processes: [redis.process, mysql.process].filter((process) => process !== undefined),
      async stop() {
        await Promise.all([redis.stop(), mysql.stop()])
      },
    }
  } catch (error) {
    await redis.stop()
    throw error
  }
}

async function firstOf(kind: Kind, sources: readonly Source[]): Promise<FoundServer> {
  for (const source of sources) {
    const found = await source(kind)
    if (found !== undefined) return found
  }
  const [name, variable, program] =
    kind === 'redis'
      ? ['Redis', 'REDIS_URL', 'redis-server']
      : ['MySQL', 'DATABASE_URL', 'mysqld or mariadbd']
  throw new SetupError(
    `No ${name} found: set ${variable}, or start Docker, or install ${program} (on Debian and Ubuntu, root gets it installed by itself unless --no-install is given).`,
  )
}

function given({ environment }: FindOptions): Source {
  return (kind) => (kind === 'redis' ? givenRedis(environment) : givenDatabase(environment))
}

async function docker(options: FindOptions): Promise<Source> {
  const { environment, log } = options
  const needed = !environment['REDIS_URL'] || !environment['DATABASE_URL']
  if (!needed || !(await dockerAnswers(environment))) return () => Promise.resolve(undefined)
  // Imported only now: it is large, and most machines on which tests run have no engine.
  const { startContainer } = await import('./docker-servers.ts')
  return async (kind) => {
    try {
      return await startContainer(kind, options)
    } catch (error) {
      log(`Docker answers, but could not run ${kind} (${messageOf(error)}); looking on this machine.`)
      return undefined
    }
  }
}

function ofThisMachine(options: FindOptions): Source {
  const { dataDir, allowInstall, environment, log } = options
  const path = environment['PATH']
  return async (kind) => {
    const find = kind === 'redis' ? findRedis : findMysql
    if (find(path) === undefined) {
      if (!allowInstall || !canInstall()) return undefined
      await installMissing(
        [
          ...(environment['REDIS_URL'] || findRedis(path) ? [] : (['redis'] as const)),
          ...(environment['DATABASE_URL'] || findMysql(path) ? [] : (['mysql'] as const)),
        ],
        log,
      )
    }
    const start = kind === 'redis' ? startRedis : startMysql
    const server = await start({ dir: join(dataDir, kind), path })
    return {
      url: server.url,
      description: `${server.name} of this machine, started privately on port ${server.port}`,
      process: server,
      stop: () => server.stop(),
    }
  }
}
