import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { runBundle, type Ended } from '../support/run-bundle.ts'
import { JWT_SECRET, tokenFor } from '../support/tokens.ts'
import { World, type RunningConsumer } from '../support/world.ts'

let world: World
let server: string
let consumer: RunningConsumer

beforeAll(async () => {
  world = await World.create()
  await world.putPerformance('hamlet', { sections: ['A'], rows: 2, seats: 10 })
  ;({ url: server } = await world.startFunctions())
  consumer = await world.startConsumer()
})

afterAll(async () => {
  await world.end()
})

/** The command as its bundle, as a customer unless told otherwise. */
async function frontrow(words: string, environment: Record<string, string> = {}): Promise<Ended> {
  const token = await tokenFor('alice')
  return runBundle('frontrow', words.split(' '), {
    FRONTROW_SERVER: server,
    FRONTROW_TOKEN: token,
    ...environment,
  })
}

describe('frontrow', () => {
  it('books, shows, cancels and books again', async () => {
    const booked = await frontrow('book hamlet A 1-1 1-2 --wait')
    expect(booked).toMatchObject({ exitCode: 0, stderr: '' })
    expect(booked.stdout).toMatch(/^CONFIRMED [0-9a-f]{36} hamlet A 1-1, 1-2\n$/)
    const id = booked.stdout.split(' ')[1] ?? ''
    expect(await frontrow(`status ${id}`)).toMatchObject({ exitCode: 0, stdout: booked.stdout })
    const cancelled = await frontrow(`cancel ${id} --wait`)
    expect(cancelled).toMatchObject({ exitCode: 0, stderr: '' })
    expect(cancelled.stdout).toMatch(/^CANCELLED /)
    expect(await frontrow('book hamlet A 1-1 --wait')).toMatchObject({ exitCode: 0 })
  })

  it('books once with one key', async () => {
    const first = await frontrow('book hamlet A 1-3 --key k --wait --json')
    const again = await frontrow('book hamlet A 1-3 --key k --wait --json')
    expect(JSON.parse(first.stdout)).toMatchObject({ status: 'CONFIRMED', seatIds: ['1-3'] })
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(first.stdout))
  })

  it('says what was accepted to whom does not wait', async () => {
    const { exitCode, stdout } = await frontrow('book hamlet A 1-4')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^(PENDING|CONFIRMED) [0-9a-f]{36}/)
  })

  it('shows the seats of a section', async () => {
    await frontrow('book hamlet A 2-2 --wait')
    const { exitCode, stdout } = await frontrow('seats hamlet A', { FRONTROW_TOKEN: '' })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^hamlet, section A: \d+ of 20 seats free\n/)
    expect(stdout).toContain('  2  1 · 3 4 5 6 7 8 9 10\n')
    const { taken } = JSON.parse((await frontrow('seats hamlet A --json')).stdout) as { taken: string[] }
    expect(taken).toContain('2-2')
  })

  it('signs a token that servers take', async () => {
    const { stdout: token } = await runBundle('frontrow', ['token', 'bob'], { AUTH_JWT_SECRET: JWT_SECRET })
    const booked = await frontrow(`book hamlet A 2-9 --wait --token ${token.trim()}`, { FRONTROW_TOKEN: '' })
    expect(booked.exitCode).toBe(0)
    // Alice does not see it.
    expect((await frontrow(`status ${booked.stdout.split(' ')[1] ?? ''}`)).exitCode).toBe(1)
  })
})

describe('frontrow ends', () => {
  it('with 1 where the answer is a clear no', async () => {
    await frontrow('book hamlet A 2-1 --wait')
    const taken = await frontrow('book hamlet A 2-1 --wait')
    expect(taken).toMatchObject({ exitCode: 1, stdout: '' })
    expect(taken.stderr).toMatch(/^REJECTED .* \(SEAT_TAKEN: 2-1\)\n$/)
    await frontrow('book hamlet A 2-3 --key reused')
    const reused = await frontrow('book hamlet A 2-4 --key reused')
    expect(reused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Idempotency-Key') as string,
    })
    expect((await frontrow('book hamlet A 2-5', { FRONTROW_TOKEN: 'nonsense' })).exitCode).toBe(1)
    expect((await frontrow(`status ${'0'.repeat(36)}`)).exitCode).toBe(1)
    expect((await frontrow(`cancel ${'0'.repeat(36)}`)).exitCode).toBe(1)
    expect((await frontrow('seats hamlet Z')).exitCode).toBe(1)
    const json = await frontrow('book hamlet A 2-1 --wait --json')
    expect(JSON.parse(json.stdout)).toMatchObject({ status: 'REJECTED', reason: { code: 'SEAT_TAKEN' } })
    expect(json.exitCode).toBe(1)
  })

  it.each([
    'book',
    'book hamlet A',
    'book hamlet A 1-1 --wait soon',
    'seats hamlet',
    'status x --server nowhere',
    'frobnicate',
  ])('with 2 where it is used wrongly: %s', async (words) => {
    expect(await frontrow(words)).toMatchObject({ exitCode: 2, stdout: '' })
  })

  it('with 3 where the server cannot be reached, or says that it cannot', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    const unreachable = await frontrow('book hamlet A 1-9', { FRONTROW_SERVER: nobody })
    expect(unreachable).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('cannot be reached') as string,
    })
    const limited = await world.startFunctions({ RATE_LIMIT: '1', RATE_WINDOW_MS: '60000' })
    const environment = { FRONTROW_SERVER: limited.url, FRONTROW_TOKEN: await tokenFor('eager') }
    expect((await frontrow('book hamlet A 1-9', environment)).exitCode).toBe(0)
    expect((await frontrow('book hamlet A 1-8', environment)).exitCode).toBe(3)
  })

  it('with 4 where it is not known, and says how to find out', async () => {
    const deaf = createServer((request) => {
      request.resume().on('end', () => {
        request.socket.destroy()
      })
    })
    const url = await listening(deaf)
    const lost = await frontrow('book hamlet A 1-10 --key mine', { FRONTROW_SERVER: url })
    expect(lost).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('--key mine') as string })
    expect((await frontrow('status x', { FRONTROW_SERVER: url })).exitCode).toBe(3)
    deaf.close()
  })

  it('with 4 where the outcome does not come in time', async () => {
    await consumer.stop()
    const late = await frontrow('book hamlet A 1-7 --wait 1')
    expect(late).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('PENDING') as string })
    consumer = await world.startConsumer()
    const id = late.stderr.split(' ')[1] ?? ''
    expect(await frontrow(`status ${id} --wait`)).toMatchObject({ exitCode: 0 })
  })
})

async function listening(http: Server): Promise<string> {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}
