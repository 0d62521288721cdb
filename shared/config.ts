import { z } from 'zod'
import { FrontrowError } from './errors.ts'

/** Configuration comes from the environment, is parsed once at the entry, and is handed on as plain values. */
const whole = (min: number, max: number): z.ZodCoercedNumber => z.coerce.number().int().min(min).max(max)

const urlOf = (...schemes: string[]): z.ZodString =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
    error: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  })

const DAY_MS = 86_400_000

/** Comma-separated origins as browsers send them: scheme, host and port, nothing else; or `*`. */
const originsSchema = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine((origins) => (origins.length === 1 && origins[0] === '*') || origins.every(isOrigin), {
    error: 'must be * or origins such as https://tickets.example, separated by commas',
  })
  .transform((origins): '*' | ReadonlySet<string> => (origins[0] === '*' ? '*' : new Set(origins)))

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}

/** Settings that functions and consumers share. The README's table says what each means. */
const commonSettings = {
  REDIS_URL: urlOf('redis', 'rediss'),
  REDIS_TLS_CA_FILE: z.string().optional(),
  REDIS_KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/)
    .default('frontrow'),
  DATABASE_URL: urlOf('mysql', 'mariadb').refine(
    (text) => new URL(text).pathname.length > 1,
    'must name a database',
  ),
  DATABASE_TLS_CA_FILE: z.string().optional(),
  SHARDS: whole(1, 1_024).optional(),
  PARTITIONS_PER_SHARD: whole(1, 4_096).optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
}

const functionSettings = {
  ...commonSettings,
  HOST: z.string().default('127.0.0.1'),
  PORT: whole(0, 65_535).default(8080),
  AUTH_JWT_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  AUTH_JWKS_URL: urlOf('http', 'https').optional(),
  AUTH_JWT_ISSUER: z.string().optional(),
  AUTH_JWT_AUDIENCE: z.string().optional(),
  BACKLOG_CAP: whole(1, 100_000_000).default(100_000),
  RATE_LIMIT: whole(0, 1_000_000).default(60),
  RATE_WINDOW_MS: whole(100, 3_600_000).default(10_000),
  CORS_ORIGINS: originsSchema.optional(),
  MAX_WAITERS: whole(0, 1_000_000).default(10_000),
  MAX_EVENT_STREAMS: whole(0, 1_000_000).default(5_000),
  REQUEST_TIMEOUT_MS: whole(500, 600_000).default(10_000),
}

const consumerSettings = {
  ...commonSettings,
  HOST: z.string().default('127.0.0.1'),
  CONSUMER_PORT: whole(0, 65_535).default(8090),
  MAX_BATCH: whole(1, 10_000).default(500),
  MEMORY_SEATS: whole(1_000, 100_000_000).default(2_000_000),
  OUTCOME_TTL_MS: whole(1_000, DAY_MS).default(600_000),
  RECORD_TTL_MS: whole(1_000, 30 * DAY_MS).default(DAY_MS),
  TAKEN_SEATS_TTL_MS: whole(0, 60_000).default(0),
  HEARTBEAT_MS: whole(20, 60_000).default(250),
  MEMBER_TIMEOUT_MS: whole(100, 600_000).default(3_000),
}

export interface RedisConfig {
  readonly url: string
  readonly tlsCaFile: string | undefined
}

export interface MysqlConfig {
  readonly url: string
  readonly tlsCaFile: string | undefined
}

export interface CommonConfig {
  readonly redis: RedisConfig
  readonly mysql: MysqlConfig
  readonly keyPrefix: string
  /** What this process was told the topology is; undefined where it takes what is stored. */
  readonly shards: number | undefined
  readonly partitionsPerShard: number | undefined
  readonly logLevel: string
}

export interface FunctionConfig extends CommonConfig {
  readonly host: string
  readonly port: number
  readonly auth: AuthConfig
  /** Undecided entries of one partition above which new requests are refused. */
  readonly backlogCap: number
  /** Requests that one customer may make per shard and window; 0 for no limit. */
  readonly rateLimit: number
  readonly rateWindowMs: number
  /** Whose scripts may use the API from a browser; undefined: nobody's. */
  readonly corsOrigins: '*' | ReadonlySet<string> | undefined
  /** Clients that may wait for an outcome at the same time; more are answered at once. */
  readonly maxWaiters: number
  /** Clients that may watch seats at the same time. */
  readonly maxEventStreams: number
  /** How long a client may take to send a whole request. */
  readonly requestTimeoutMs: number
}

export interface AuthConfig {
  readonly secret: string | undefined
  readonly jwksUrl: string | undefined
  readonly issuer: string | undefined
  readonly audience: string | undefined
}

export interface ConsumerConfig extends CommonConfig {
  readonly host: string
  readonly port: number
  /** Entries that one transaction decides at most. */
  readonly maxBatch: number
  /** Seats kept in memory at most, over all sections. */
  readonly memorySeats: number
  readonly outcomeTtlMs: number
  readonly recordTtlMs: number
  /** How long a seat that somebody asked for in vain is refused at once; 0: every request is decided. */
  readonly takenSeatsTtlMs: number
  /** Between two signs of life. */
  readonly heartbeatMs: number
  /** Without a sign of life after which a consumer's partitions are given to others. */
  readonly memberTimeoutMs: number
}

export type Environment = Readonly<Record<string, string | undefined>>

const authSchema = z
  .object(functionSettings)
  .refine((settings) => (settings.AUTH_JWT_SECRET === undefined) !== (settings.AUTH_JWKS_URL === undefined), {
    path: ['AUTH_JWT_SECRET'],
    error: 'set either AUTH_JWT_SECRET or AUTH_JWKS_URL',
  })
const consumerSchema = z
  .object(consumerSettings)
  .refine((settings) => settings.OUTCOME_TTL_MS <= settings.RECORD_TTL_MS, {
    path: ['OUTCOME_TTL_MS'],
    error: 'must not be longer than RECORD_TTL_MS: an outcome without its record would let a retry through',
  })
  .refine((settings) => settings.TAKEN_SEATS_TTL_MS <= settings.RECORD_TTL_MS, {
    path: ['TAKEN_SEATS_TTL_MS'],
    error: 'must not be longer than RECORD_TTL_MS: a cancel without its record would leave its seats refused',
  })
  .refine((settings) => settings.HEARTBEAT_MS * 3 <= settings.MEMBER_TIMEOUT_MS, {
    path: ['HEARTBEAT_MS'],
    error:
      'must be a third of MEMBER_TIMEOUT_MS at most: one or two that come late must not pass for a death',
  })
const commonSchema = z.object(commonSettings)

function parse<T>(schema: z.ZodType<T>, environment: Environment): T {
  // An empty variable counts as unset: that is what `FOO= command` and compose files mean by it.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const complaints = result.error.issues.map((issue) => {
    const name = issue.path.join('.')
    return given[name] === undefined && issue.code === 'invalid_type'
      ? `${name} is not set`
      : `${name}: ${issue.message}`
  })
  throw new FrontrowError('CONFIG_INVALID', `configuration: ${complaints.join('; ')}`)
}

function common(settings: z.infer<typeof commonSchema>): CommonConfig {
  return {
    redis: { url: settings.REDIS_URL, tlsCaFile: settings.REDIS_TLS_CA_FILE },
    mysql: { url: settings.DATABASE_URL, tlsCaFile: settings.DATABASE_TLS_CA_FILE },
    keyPrefix: settings.REDIS_KEY_PREFIX,
    shards: settings.SHARDS,
    partitionsPerShard: settings.PARTITIONS_PER_SHARD,
    logLevel: settings.LOG_LEVEL,
  }
}

const databaseSchema = z.object({
  DATABASE_URL: commonSettings.DATABASE_URL,
  DATABASE_TLS_CA_FILE: commonSettings.DATABASE_TLS_CA_FILE,
})

/** For what needs the database alone. @throws FrontrowError CONFIG_INVALID */
export function databaseConfig(environment: Environment): MysqlConfig {
  const settings = parse(databaseSchema, environment)
  return { url: settings.DATABASE_URL, tlsCaFile: settings.DATABASE_TLS_CA_FILE }
}

/** @throws FrontrowError CONFIG_INVALID, naming every variable that is wrong */
export function commonConfig(environment: Environment): CommonConfig {
  return common(parse(commonSchema, environment))
}

/** @throws FrontrowError CONFIG_INVALID, naming every variable that is wrong */
export function functionConfig(environment: Environment): FunctionConfig {
  const settings = parse(authSchema, environment)
  return {
    ...common(settings),
    host: settings.HOST,
    port: settings.PORT,
    auth: {
      secret: settings.AUTH_JWT_SECRET,
      jwksUrl: settings.AUTH_JWKS_URL,
      issuer: settings.AUTH_JWT_ISSUER,
      audience: settings.AUTH_JWT_AUDIENCE,
    },
    backlogCap: settings.BACKLOG_CAP,
    rateLimit: settings.RATE_LIMIT,
    rateWindowMs: settings.RATE_WINDOW_MS,
    corsOrigins: settings.CORS_ORIGINS,
    maxWaiters: settings.MAX_WAITERS,
    maxEventStreams: settings.MAX_EVENT_STREAMS,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
  }
}

/** @throws FrontrowError CONFIG_INVALID, naming every variable that is wrong */
export function consumerConfig(environment: Environment): ConsumerConfig {
  const settings = parse(consumerSchema, environment)
  return {
    ...common(settings),
    host: settings.HOST,
    port: settings.CONSUMER_PORT,
    maxBatch: settings.MAX_BATCH,
    memorySeats: settings.MEMORY_SEATS,
    outcomeTtlMs: settings.OUTCOME_TTL_MS,
    recordTtlMs: settings.RECORD_TTL_MS,
    takenSeatsTtlMs: settings.TAKEN_SEATS_TTL_MS,
    heartbeatMs: settings.HEARTBEAT_MS,
    memberTimeoutMs: settings.MEMBER_TIMEOUT_MS,
  }
}
