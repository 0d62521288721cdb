import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { migrateLatest } from '../../migrations/migrate.ts'
import { curlLine, demoTokens, loadDemo } from './demo.ts'
import { findServers, type Servers } from './find-servers.ts'
import { KeptProcess } from './keep-running.ts'
import type { PrivateServer } from './private-server.ts'
import { projectRoot } from './project-root.ts'
import { becomeSupervisor, writeRuntime } from './runtime-file.ts'
import { secretFile } from './secret-file.ts'
import { consumerPorts, functionPort, startService, untilReady, type Service } from './services.ts'
import { runEntry } from './setup-error.ts'
import { Shutdown } from './shutdown.ts'

/** `npm start`: servers, tables, demo, one function server and some consumers, kept running until Ctrl-C. */

interface Options {
  readonly consumers: number
  readonly install: boolean
}

const STOP_GRACE_MS = 15_000

const root = projectRoot()
const local = join(root, '.local')
const environment = process.env

const log = (line: string): void => {
  console.log(line)
}

async function main(): Promise<number> {
  const options = parseOptions()
  // A terminal that has gone away is no reason to leave processes behind.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const shutdown = new Shutdown(log)
  const giveUpPlace = await becomeSupervisor(local)
  try {
    await bringUp(options, shutdown)
    await shutdown.asked
    return 0
  } finally {
    await shutdown.run()
    giveUpPlace()
  }
}

function parseOptions(): Options {
  const atLeastOne = (text: string): number => {
    const count = Number(text)
    if (Number.isInteger(count) && count >= 1 && count <= 64) return count
    throw new InvalidArgumentError('It must be a number from 1 to 64.')
  }
  return new Command('npm start --')
    .option('--consumers <number>', 'consumers to run', atLeastOne, 2)
    .option('--no-install', 'do not install what is missing')
    .allowExcessArguments(false)
    .parse()
    .opts<{ consumers: number; install: boolean }>()
}

/** Each step looks first whether it is still wanted: Ctrl-C does not wait for the rest. */
async function bringUp(options: Options, shutdown: Shutdown): Promise<void> {
  const host =
    environment['HOST'] === undefined || environment['HOST'] === '' ? '127.0.0.1' : environment['HOST']
  // Asked before anything slow.
  const port = await functionPort(host, environment['PORT'])
  const ports = await consumerPorts(host, environment['CONSUMER_PORT'], options.consumers)
  if (shutdown.isAsked()) return
  const servers = await bringUpServers(options, shutdown)
  if (shutdown.isAsked()) return
  await prepareDatabase(servers.databaseUrl)
  if (shutdown.isAsked()) return
  await bringUpServices({ host, port, consumerPorts: ports, servers, shutdown })
}

async function bringUpServers({ install }: Options, shutdown: Shutdown): Promise<Servers> {
  const dataDir = join(local, 'data')
  const servers = await findServers({ dataDir, allowInstall: install, keepData: true, environment, log })
  log(`Servers: ${servers.description}`)
  const kept = servers.processes.map(keepServer)
  shutdown.add({
    what: 'Redis and MySQL',
    inOrder: async () => {
      await Promise.all(kept.map((server) => server.stop(STOP_GRACE_MS)))
      await servers.stop()
    },
    atOnce: async () => {
      await Promise.all(kept.map((server) => server.kill()))
    },
  })
  return servers
}

function keepServer(server: PrivateServer): KeptProcess {
  const run = {
    get pid() {
      return server.pid
    },
    get ended() {
      return server.ended
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
  }
  const start = async (): Promise<typeof run> => {
    await server.start()
    return run
  }
  return KeptProcess.begin({ name: server.name, start, log, onRestart: () => undefined }, run)
}

async function prepareDatabase(databaseUrl: string): Promise<void> {
  const tlsCaFile = environment['DATABASE_TLS_CA_FILE']
  const knex = connectMysql(
    { url: databaseUrl, tlsCaFile: tlsCaFile === '' ? undefined : tlsCaFile },
    'read',
    2,
  )
  try {
    const migrations = await migrateLatest(knex)
    const performances = await loadDemo(knex, root)
    if (migrations.length > 0) log(`Tables: ${migrations.length} migrations ran.`)
    if (performances > 0) log(`Demo: ${performances} performances loaded.`)
  } finally {
    await knex.destroy()
  }
}

interface ServicePlan {
  readonly host: string
  readonly port: number
  readonly consumerPorts: readonly number[]
  readonly servers: Servers
  readonly shutdown: Shutdown
}

async function bringUpServices({
  host,
  port,
  consumerPorts: ports,
  servers,
  shutdown,
}: ServicePlan): Promise<void> {
  const secret = environment['AUTH_JWT_SECRET'] ?? ''
  const jwtSecret = secret === '' ? secretFile(join(local, 'jwt-secret')) : secret
  const tokens = await demoTokens(jwtSecret, environment)
  const shared = sharedEnvironment(servers, host)
  const reachable = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  const urlOf = (each: number): string =>
    `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${each}`
  const api = urlOf(port)
  const consumers: Service[] = []
  const state: { functions?: Service; isUp: boolean } = { isUp: false }
  const publish = (): void => {
    const { functions, isUp } = state
    if (functions === undefined || !isUp || shutdown.isAsked()) return
    const pids = {
      supervisor: process.pid,
      functions: functions.process.pid,
      consumers: consumers.map((consumer) => consumer.process.pid),
    }
    writeRuntime(local, {
      api,
      redisUrl: servers.redisUrl,
      databaseUrl: servers.databaseUrl,
      jwtSecret,
      tokens,
      pids,
    })
  }
  const common = { root, log, onRestart: publish }
  addServices(shutdown, 'consumers', consumers)
  for (const [index, each] of ports.entries()) {
    const environmentOfOne = { ...shared, CONSUMER_PORT: String(each) }
    const name = `consumer ${index + 1}`
    consumers.push(
      await startService({
        ...common,
        name,
        bundle: 'consumer.mjs',
        url: urlOf(each),
        environment: environmentOfOne,
      }),
    )
  }
  const functionEnvironment = { ...shared, PORT: String(port), AUTH_JWT_SECRET: jwtSecret, AUTH_JWKS_URL: '' }
  const functions = await startService({
    ...common,
    name: 'functions',
    bundle: 'functions.mjs',
    url: api,
    environment: functionEnvironment,
  })
  state.functions = functions
  addServices(shutdown, 'functions', [functions])
  const all = [functions, ...consumers]
  await Promise.all(all.map((service) => untilReady(service, () => shutdown.isAsked())))
  if (shutdown.isAsked()) return
  state.isUp = true
  publish()
  const curl = await curlLine(root, api, tokens.customer)
  log(
    welcome({
      api,
      consumers: consumers.map((consumer) => consumer.url),
      servers: servers.description,
      curl,
    }),
  )
}

/** Settings of a server that was given do not apply to one that we started. */
function sharedEnvironment(servers: Servers, host: string): Record<string, string> {
  return {
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
    HOST: host,
    ...(environment['REDIS_URL'] ? {} : { REDIS_TLS_CA_FILE: '' }),
    ...(environment['DATABASE_URL'] ? {} : { DATABASE_TLS_CA_FILE: '' }),
  }
}

function addServices(shutdown: Shutdown, what: string, services: readonly Service[]): void {
  shutdown.add({
    what,
    inOrder: async () => {
      await Promise.all(services.map((service) => service.process.stop(STOP_GRACE_MS)))
    },
    atOnce: async () => {
      await Promise.all(services.map((service) => service.process.kill()))
    },
  })
}

interface Welcome {
  readonly api: string
  readonly consumers: readonly string[]
  readonly servers: string
  readonly curl: string
}

function welcome({ api, consumers, servers, curl }: Welcome): string {
  return `
Frontrow is running.

  API        ${api}
  consumers  ${consumers.join(', ')}
  servers    ${servers}
  tokens     .local/runtime.json
  logs       .local/logs/

Book a seat:

${curl}

Ctrl-C stops everything.`
}

await runEntry(main)
// Whatever a library still holds open is no reason to stay.
process.exit()
