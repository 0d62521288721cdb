import { connectMysql } from '../../shared/mysql/connect.ts'
import { connectRedis, redisReady } from '../../shared/redis/connect.ts'
import type { FoundServer } from './found-server.ts'
import { messageOf, SetupError } from './setup-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

const REACH_MS = 5_000

/** The Redis of REDIS_URL, if that is set. @throws SetupError, without the password, if it cannot be used */
export async function givenRedis(environment: Environment): Promise<FoundServer | undefined> {
  const text = environment['REDIS_URL']
  if (!text) return undefined
  const url = parseUrl('REDIS_URL', text, ['redis:', 'rediss:'])
  const reasons: string[] = []
  const redis = openRedis(text, environment, (error) => reasons.push(error.message))
  try {
    await redisReady(redis, REACH_MS)
    await redis.ping()
  } catch (error) {
    throw new SetupError(`REDIS_URL: ${place(url)} cannot be used: ${reasons[0] ?? messageOf(error)}`)
  } finally {
    redis.disconnect()
  }
  return { url: text, description: `Redis of REDIS_URL (${place(url)})`, stop: () => Promise.resolve() }
}

function openRedis(
  url: string,
  environment: Environment,
  onError: (error: Error) => void,
): ReturnType<typeof connectRedis> {
  try {
    return connectRedis({ url, tlsCaFile: unlessEmpty(environment['REDIS_TLS_CA_FILE']) }, 'work', onError)
  } catch (error) {
    throw new SetupError(`REDIS_TLS_CA_FILE: ${messageOf(error)}`)
  }
}

/** The database of DATABASE_URL, if that is set. @throws SetupError, without the password, if it cannot be used */
export async function givenDatabase(environment: Environment): Promise<FoundServer | undefined> {
  const text = environment['DATABASE_URL']
  if (!text) return undefined
  const url = parseUrl('DATABASE_URL', text, ['mysql:', 'mariadb:'])
  if (url.pathname.length < 2)
    throw new SetupError('DATABASE_URL must name a database, as in mysql://user@host/frontrow.')
  const knex = openMysql(text, environment)
  try {
    await knex.raw('SELECT 1')
  } catch (error) {
    throw new SetupError(`DATABASE_URL: ${place(url)} cannot be used: ${messageOf(error)}`)
  } finally {
    await knex.destroy()
  }
  return { url: text, description: `MySQL of DATABASE_URL (${place(url)})`, stop: () => Promise.resolve() }
}

function openMysql(url: string, environment: Environment): ReturnType<typeof connectMysql> {
  try {
    return connectMysql({ url, tlsCaFile: unlessEmpty(environment['DATABASE_TLS_CA_FILE']) }, 'read', 1)
  } catch (error) {
    throw new SetupError(`DATABASE_TLS_CA_FILE: ${messageOf(error)}`)
  }
}

/** What is shown of it holds no credentials: not even when it cannot be parsed. */
function parseUrl(variable: string, text: string, protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && protocols.includes(url.protocol)) return url
  throw new SetupError(
    `${variable} must be a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}.`,
  )
}

function place(url: URL): string {
  return `${url.host}${url.pathname}`
}

function unlessEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
