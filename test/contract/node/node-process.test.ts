import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { ensureTopology } from '../../../shared/topology.ts'
import { connectMysql } from '../../../shared/mysql/connect.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { projectRoot } from '../../../deploy/local/project-root.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../../support/database.ts'
import { FaultyProxy } from '../../support/faulty-proxy.ts'
import { until } from '../../support/function-server.ts'
import { JWT_SECRET, tokenFor } from '../../support/tokens.ts'

/** Linux' device on which every write fails as on a full disk. */
const FULL_DISK = '/dev/full'

const bundle = join(projectRoot(), 'dist', 'functions.mjs')

let database: TemporaryDatabase
const running = new Set<ChildProcess>()

beforeAll(async () => {
  database = await temporaryDatabase()
})

afterAll(async () => {
  await database.drop()
})

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})

interface Started {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly exit: Promise<number | null>
}

function start(
  environment: Record<string, string>,
  { channel = false, stdout = 'pipe' }: { channel?: boolean; stdout?: 'pipe' | number } = {},
): Started {
  const child = spawn(process.execPath, [bundle], {
    env: {
      PATH: process.env['PATH'],
      REDIS_URL: inject('redisUrl'),
      REDIS_KEY_PREFIX: `t${randomBytes(6).toString('hex')}`,
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: JWT_SECRET,
      PORT: '0',
      ...environment,
    },
    stdio: channel ? ['ignore', stdout, 'pipe', 'ipc'] : ['ignore', stdout, 'pipe'],
  })
  running.add(child)
  let [out, err] = ['', '']
  child.stdout?.on('data', (chunk) => (out += String(chunk)))
  child.stderr?.on('data', (chunk) => (err += String(chunk)))
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  return { child, out: () => out, err: () => err, exit }
}

async function urlOf({ out, err }: Started): Promise<string> {
  await until(() => {
    if (err() !== '') throw new Error(err())
    return out().includes('"listening"')
  })
  const line =
    out()
      .split('\n')
      .find((text) => text.includes('"listening"')) ?? '{}'
  return `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`
}

async function readyUrlOf(started: Started): Promise<string> {
  const url = await urlOf(started)
  await until(async () => (await fetch(`${url}/readyz`)).status === 200)
  return url
}

const wish = JSON.stringify({ performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] })

async function book(url: string): Promise<Response> {
  return fetch(`${url}/bookings`, {
    method: 'POST',
    body: wish,
    headers: {
      authorization: `Bearer ${await tokenFor('alice')}`,
      'content-type': 'application/json',
      'idempotency-key': randomBytes(8).toString('hex'),
    },
  })
}

describe('the process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends in order on %s', async (signal) => {
    const started = start({})
    const url = await readyUrlOf(started)
    expect((await book(url)).status).toBe(202)
    started.child.kill(signal)
    expect(await started.exit).toBe(0)
    expect(started.out()).toContain('"stopped"')
    expect(started.err()).toBe('')
  })

  it.skipIf(!existsSync(FULL_DISK))(
    'serves, and ends in order, while its log cannot be written',
    async () => {
      const full = openSync(FULL_DISK, 'w')
      const port = await freePort()
      const started = start({ PORT: String(port) }, { stdout: full })
      closeSync(full)
      const url = `http://127.0.0.1:${port}`
      await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200)
      expect((await book(url)).status).toBe(202)
      started.child.kill('SIGTERM')
      expect(await started.exit).toBe(0)
      expect(started.err()).toBe('')
    },
  )

  it('ends when its parent lets go of it', async () => {
    const started = start({}, { channel: true })
    await readyUrlOf(started)
    started.child.disconnect()
    expect(await started.exit).toBe(0)
  })

  it('finishes what is in flight before it ends, and takes nothing new', async () => {
    const proxy = await FaultyProxy.inFrontOf(inject('redisUrl'))
    const started = start({ REDIS_URL: proxy.urlOf(inject('redisUrl')) })
    const url = await readyUrlOf(started)
    proxy.fault = 'swallow'
    const inFlight = book(url)
    await new Promise((resolve) => setTimeout(resolve, 200))
    started.child.kill('SIGTERM')
    await until(() => started.out().includes('"stopping"'))
    await expect(fetch(`${url}/livez`)).rejects.toThrow()
    expect((await inFlight).status).toBe(504)
    expect(await started.exit).toBe(0)
    await proxy.close()
  })

  it('hurries at the second signal', async () => {
    const proxy = await FaultyProxy.inFrontOf(inject('redisUrl'))
    const started = start({ REDIS_URL: proxy.urlOf(inject('redisUrl')) })
    const url = await readyUrlOf(started)
    proxy.fault = 'swallow'
    const inFlight = book(url).catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const signalledAt = performance.now()
    started.child.kill('SIGTERM')
    await until(() => started.out().includes('"stopping"'))
    started.child.kill('SIGTERM')
    expect(await started.exit).toBe(0)
    expect(performance.now() - signalledAt).toBeLessThan(1_500)
    expect(await inFlight).toBeInstanceOf(Error)
    await proxy.close()
  })

  it('starts while neither Redis nor MySQL are there', async () => {
    const started = start({ REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'mysql://u:p@127.0.0.1:1/none' })
    const url = await urlOf(started)
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { checks: { redis: 'away', mysql: 'away', topology: 'away' } },
    ])
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect((await book(url)).status).toBe(503)
    started.child.kill('SIGTERM')
    expect(await started.exit).toBe(0)
  })
})

describe('a start that fails says why in one sentence', () => {
  const sentence = async (environment: Record<string, string>): Promise<string> => {
    const started = start(environment)
    expect(await started.exit).toBe(1)
    expect(started.err().trim().split('\n')).toHaveLength(1)
    return started.err()
  }

  it('when the port is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    expect(await sentence({ PORT: String(port) })).toContain(`127.0.0.1:${port} is in use`)
    other.close()
  })

  it('when the configuration is wrong', async () => {
    expect(await sentence({ REDIS_URL: '', PORT: 'x' })).toMatch(/REDIS_URL is not set; PORT: /)
    expect(await sentence({ AUTH_JWT_SECRET: '' })).toContain('AUTH_JWT_SECRET')
    expect(await sentence({ HOST: '192.0.2.1' })).toContain('192.0.2.1')
    expect(await sentence({ REDIS_TLS_CA_FILE: '/no/such/file' })).toContain('/no/such/file')
  })

  it('when it was told another topology than the database has', async () => {
    const knex = connectMysql({ url: database.url, tlsCaFile: undefined }, 'read', 1)
    await ensureTopology(knex, { shards: undefined, partitionsPerShard: undefined }, Date.now())
    await knex.destroy()
    expect(await sentence({ SHARDS: '7' })).toContain('SHARDS is 7 here and 4 in the database')
  })
})
