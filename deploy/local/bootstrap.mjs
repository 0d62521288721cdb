/**
 * The door of `npm start`, `npm test` and the other scripts: packages, bundles, then the entry itself.
 * On a fresh clone nothing is installed yet, so this file imports Node's own modules only.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '..', '..')
const local = join(root, '.local')
const entries = ['start', 'test', 'migrate', 'frontrow', 'bench', 'bench-long', 'ring', 'faults', 'simulate']
const minimum = [20, 19]

class Refusal extends Error {}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > minimum[0] || (major === minimum[0] && minor >= minimum[1])) return
  throw new Refusal(
    `Frontrow needs Node ${minimum.join('.')} or newer; this is Node ${process.versions.node}.`,
  )
}

const lockfileHash = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
const stamp = join(root, 'node_modules', '.frontrow-lockfile')

/** A tree without our stamp was installed by hand; it is taken as it is, and stamped. */
function packagesAreThere() {
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false
  if (!existsSync(stamp)) writeFileSync(stamp, lockfileHash())
  return readFileSync(stamp, 'utf8') === lockfileHash()
}

async function installPackages(allowed) {
  if (packagesAreThere()) return
  if (!allowed) {
    throw new Refusal(
      'Packages are missing or older than package-lock.json: run `npm ci`, or leave out --no-install.',
    )
  }
  const release = await takeInstallLock()
  try {
    if (!packagesAreThere()) runNpmCi()
  } finally {
    release()
  }
}

function runNpmCi() {
  console.log('Installing packages (npm ci) ...')
  const npm = process.env.npm_execpath
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, first] = npm?.endsWith('.js') === true ? [process.execPath, [npm]] : ['npm', []]
  // Installing is not for production, whatever this shell was set up for.
  const env = { ...process.env, NODE_ENV: 'development' }
  const { status, error } = spawnSync(command, [...first, ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (error) throw new Refusal(`npm could not be run: ${error.message}`)
  if (status !== 0) throw new Refusal('`npm ci` failed; what it said is above.')
  writeFileSync(stamp, lockfileHash())
}

/** `npm start` and `npm test` may both be the first on a fresh clone; two installations at once ruin each other. */
async function takeInstallLock() {
  const lock = join(local, 'installing')
  mkdirSync(local, { recursive: true })
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return () => rmSync(lock, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!isAlive(readNumber(lock))) rmSync(lock, { force: true })
    else await sleep(500)
  }
}

function readNumber(path) {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return 0
  }
}

function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** What `frontrow` does on the databases themselves; the rest speaks to a function server. */
const onDatabases = ['audit', 'import']

/** The commands talk to the servers of the environment, or else to those of a running `npm start`. */
function chooseServers(entry, args) {
  const runtime = readRuntime()
  if (runtime !== undefined && !process.env.FRONTROW_SERVER) {
    process.env.FRONTROW_SERVER = runtime.api
    process.env.FRONTROW_TOKEN ||= runtime.tokens.customer
  }
  if (process.env.REDIS_URL || process.env.DATABASE_URL) return
  if (runtime === undefined) {
    // A file for a migration is made without a database.
    const isAsked = entry === 'migrate' ? args[0] !== 'make' : onDatabases.includes(args[0])
    if (!isAsked || args.some((arg) => ['--help', '-h'].includes(arg))) return
    throw new Refusal(
      'No servers to talk to: set REDIS_URL and DATABASE_URL, or run `npm start` in another terminal first.',
    )
  }
  process.env.REDIS_URL = runtime.redisUrl
  process.env.DATABASE_URL = runtime.databaseUrl
  if (!process.env.AUTH_JWKS_URL) process.env.AUTH_JWT_SECRET ||= runtime.jwtSecret
}

function readRuntime() {
  try {
    const runtime = JSON.parse(readFileSync(join(local, 'runtime.json'), 'utf8'))
    return isAlive(runtime.pids.supervisor) ? runtime : undefined
  } catch {
    return undefined
  }
}

async function main([entry, ...args]) {
  checkNode()
  if (!entries.includes(entry)) throw new Refusal(`Usage: bootstrap.mjs <${entries.join('|')}> [arguments]`)
  await installPackages(!args.includes('--no-install'))
  const { buildAll } = await import('../build.mjs')
  await buildAll()
  if (entry === 'migrate' || entry === 'frontrow') chooseServers(entry, args)
  const bundle = join(root, 'dist', `${entry}.mjs`)
  process.argv = [process.argv[0], bundle, ...args]
  await import(pathToFileURL(bundle).href)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error)
  // The exit codes of `frontrow` tell what is missing from a no.
  process.exitCode = error instanceof Refusal && process.argv[2] === 'frontrow' ? 2 : 1
}
