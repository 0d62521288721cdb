import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { launch, type ChildProcess } from '../../deploy/local/child-process.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { putPerformance } from '../../shared/catalogue/put-performance.ts'
import { temporaryDatabase, type TemporaryDatabase } from '../support/database.ts'
import { asker, type FunctionServer } from '../support/function-server.ts'
import { JWT_SECRET } from '../support/tokens.ts'
import { until } from '../support/until.ts'

/** The benchmark's peers book as the product does: what they are compared with must be true of them as well. */
const PEERS = [
  ['unique-key', false],
  ['row-locks', false],
  ['redlock', false],
  ['bullmq', true],
  ['stream-per-message', true],
] as const

interface Told {
  readonly requestId: string
  readonly status: string
  readonly reason: unknown
}

describe.each(PEERS)('the peer %s', (name, hasWorker) => {
  let database: TemporaryDatabase
  let folder: string
  let ask: FunctionServer['ask']
  const processes: ChildProcess[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'frontrow-peer-'))
    database = await temporaryDatabase()
    const sections = ['A', 'B', 'C'].map((id) => ({ id, name: id, rows: [{ id: '1', seats: 20 }] }))
    const startsAt = '2099-01-01T19:00:00Z'
    const definition = { title: 'Hamlet', venue: 'Opera House', startsAt, sections }
    await putPerformance(database.knex, 'hamlet', performanceDefinitionSchema.parse(definition))
    const environment = {
      REDIS_URL: inject('redisUrl'),
      DATABASE_URL: database.url,
      REDIS_KEY_PREFIX: `p${randomBytes(6).toString('hex')}`,
      AUTH_JWT_SECRET: JWT_SECRET,
      PORT: '0',
    }
    const start = async (bundle: string): Promise<Record<string, unknown>> => {
      const root = projectRoot()
      const logFile = join(folder, `${bundle}.log`)
      const args = [join(root, 'dist', `${bundle}.mjs`), name]
      processes.push(
        await launch({ command: process.execPath, args, cwd: root, logFile, environment, channel: true }),
      )
      const firstLine = (): string | undefined => /^\{.*\}$/m.exec(readFileSync(logFile, 'utf8'))?.[0]
      await until(() => firstLine() !== undefined)
      return JSON.parse(firstLine() ?? '') as Record<string, unknown>
    }
    const { port } = await start('bench-peer')
    if (hasWorker) expect(await start('bench-peer-worker')).toEqual({ ready: true })
    ask = asker(`http://127.0.0.1:${String(port)}`)
  })

  afterAll(async () => {
    await Promise.all(processes.map((each) => each.stop(5_000)))
    await database.drop()
    rmSync(folder, { recursive: true })
  })

  /** Asks for seats and waits until the outcome is told. */
  async function book(customer: string, sectionId: string, seatIds: string[], key: string): Promise<Told> {
    const json = { performanceId: 'hamlet', sectionId, seatIds }
    const headers = { 'idempotency-key': key }
    let answer = await ask('/bookings', { method: 'POST', as: customer, json, headers })
    await until(async () => {
      if (answer.body['status'] !== 'PENDING') return true
      answer = await ask(`/bookings/${String(answer.body['requestId'])}`, { as: customer })
      return false
    })
    return answer.body as unknown as Told
  }

  it('confirms seats that nobody has, refuses those that are taken and says which', async () => {
    expect(await book('ann', 'A', ['1-2', '1-1'], 'k1')).toMatchObject({ status: 'CONFIRMED' })
    expect(await book('ann', 'A', ['1-3'], 'k2')).toMatchObject({ status: 'CONFIRMED' })
    for (const key of ['k3', 'k4']) {
      expect(await book('bob', 'A', ['1-2', '1-4'], key)).toMatchObject({
        status: 'REJECTED',
        reason: { code: 'SEAT_TAKEN', seatIds: ['1-2'] },
      })
    }
    expect(await book('bob', 'A', ['1-4'], 'k5')).toMatchObject({ status: 'CONFIRMED' })
  })

  it('makes one booking of the same wish sent several times, at once and later', async () => {
    const told = await Promise.all(Array.from({ length: 5 }, () => book('ann', 'B', ['1-1', '1-2'], 'same')))
    told.push(await book('ann', 'B', ['1-1', '1-2'], 'same'))
    expect(new Set(told.map(({ requestId, status }) => `${requestId} ${status}`)).size).toBe(1)
    expect(told[0]?.status).toBe('CONFIRMED')
    const decisions = await database.knex('decisions').where({ request_id: told[0]?.requestId })
    expect(decisions).toHaveLength(1)
  })

  it('gives each of ten seats to one of twenty who want it at once', async () => {
    const told = await Promise.all(
      Array.from({ length: 200 }, (_, i) => book(`fan-${i}`, 'C', [`1-${(i % 10) + 1}`], `k${i}`)),
    )
    const confirmed = told.filter(({ status }) => status === 'CONFIRMED').map(({ requestId }) => requestId)
    expect(told.filter(({ status }) => status === 'REJECTED')).toHaveLength(190)
    const stored = (await database
      .knex('booked_seats')
      .where({ section_id: 'C' })
      .pluck('request_id')) as string[]
    expect(stored.sort()).toEqual(confirmed.sort())
    const decisions = await database.knex('decisions').where({ section_id: 'C', status: 'CONFIRMED' })
    expect(decisions).toHaveLength(10)
  })
})
