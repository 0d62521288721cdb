import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { sslModeOf } from '../../shared/mysql/connect.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { LambdaInstance } from '../support/platforms/lambda-instance.ts'
import { serveWorkers } from '../support/platforms/on-workers.ts'
import { JWT_SECRET } from '../support/tokens.ts'
import { until } from '../support/until.ts'

let folder: string
let database: TemporaryDatabase
let environment: Record<string, string>

beforeEach(async () => {
  // Outside of the checkout: there are no packages to find, whatever is asked for.
  folder = mkdtempSync(join(tmpdir(), 'frontrow-bundle-'))
  database = await temporaryDatabase()
  environment = {
    REDIS_URL: inject('redisUrl'),
    DATABASE_URL: database.url,
    REDIS_KEY_PREFIX: 'bundles',
    AUTH_JWT_SECRET: JWT_SECRET,
  }
})

afterEach(async () => {
  rmSync(folder, { recursive: true })
  await database.drop()
})

/** The bundle alone in an empty folder. */
function alone(name: string): string {
  const path = join(folder, `${basename(name)}.mjs`)
  copyFileSync(join(projectRoot(), 'dist', `${name}.mjs`), path)
  expect(readdirSync(folder)).toEqual([basename(path)])
  return path
}

interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  readonly exitCode: Promise<unknown>
}

function run(name: string, args: readonly string[] = [], settings: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [alone(name), ...args], {
    cwd: folder,
    env: { ...environment, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)))
  return { child, output: () => text, exitCode: once(child, 'exit').then(([code]) => code as unknown) }
}

const status = (url: string): Promise<number> =>
  fetch(url).then(
    (response) => response.status,
    () => 0,
  )

describe('a bundle alone in a folder', () => {
  it.each([
    ['functions', 'PORT'],
    ['consumer', 'CONSUMER_PORT'],
  ])('%s serves, and ends when it is asked to', async (name, variable) => {
    const port = await freePort()
    const { child, output, exitCode } = run(name, [], { [variable]: String(port) })
    await until(async () => (await status(`http://127.0.0.1:${port}/readyz`)) === 200).catch(() => {
      throw new Error(`${name} does not get ready: ${output()}`)
    })
    child.kill('SIGTERM')
    expect(await exitCode).toBe(0)
  })

  it('migrate brings tables up to date', async () => {
    const empty = await temporaryDatabase({ migrated: false })
    const { output, exitCode } = run('migrate', ['latest'], { DATABASE_URL: empty.url })
    expect([await exitCode, output()]).toEqual([0, expect.stringMatching(/^\d+ migrations ran/)])
    await empty.drop()
  })

  it('frontrow explains itself', async () => {
    const { output, exitCode } = run('frontrow', ['--help'])
    expect([await exitCode, output()]).toEqual([0, expect.stringContaining('Usage: frontrow')])
  })

  it('lambda answers an event', async () => {
    const instance = await LambdaInstance.start(environment, () => undefined, alone('lambda/index'))
    const result = await instance.invoke({
      version: '2.0',
      rawPath: '/readyz',
      rawQueryString: '',
      headers: { host: 'api.example' },
      requestContext: { http: { method: 'GET' } },
      isBase64Encoded: false,
    })
    await instance.stop()
    expect(result.statusCode).toBe(200)
  })

  it('workers answers a request', async () => {
    const host = await serveWorkers(environment, { bundle: alone('workers') })
    const response = await fetch(`${host.url}/readyz`)
    const answered = [response.status, await response.text()]
    await host.stop()
    // Where the servers of this run have certificates that nobody is to check, it ends with a sentence: Cloudflare logs
    // it, and this host answers with it.
    const [status, text] =
      sslModeOf(database.config) === 'REQUIRED'
        ? [500, 'configuration: DATABASE_URL: Workers']
        : [200, '"ok"']
    expect(answered).toEqual([status, expect.stringContaining(text)])
  })
})

describe("a server's source map", () => {
  const file = join(projectRoot(), 'dist', 'consumer.mjs')
  const text = readFileSync(file, 'utf8')
  const map = new SourceMap(
    JSON.parse(readFileSync(`${file}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0],
  )

  /** The source of the first place in the bundle that reads like this; undefined where none is named. */
  function sourceOf(code: string): string | undefined {
    const at = text.indexOf(code)
    if (at < 0) throw new Error(`the bundle does not have ${code}`)
    const before = text.slice(0, at).split('\n')
    const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0)
    return 'originalSource' in entry ? entry.originalSource : undefined
  }

  it('leads to our own sources, and to no others', () => {
    expect(sourceOf('async function commitBatch(')).toMatch(/consumer\/commit-batch\.ts$/)
    expect(sourceOf('async function settleBatch(')).toMatch(/consumer\/settle-batch\.ts$/)
    expect(sourceOf('PacketParser=class')).toBeUndefined()
    expect(sourceOf('PoolCluster=class')).toBeUndefined()
    expect(map.payload.sources.filter((source) => source.includes('node_modules/'))).toEqual([])
  })

  it('is read quickly: Node does so when a connection breaks', () => {
    // With all packages 1.6 million bytes, for which Node stood still for 120 ms and kept 33 MB.
    expect(JSON.stringify(map.payload).length).toBeLessThan(250_000)
  })
})
