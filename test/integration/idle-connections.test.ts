import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, inject, it } from 'vitest'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'

interface Pooled {
  readonly client: {
    acquireConnection(): Promise<{ readonly stream: Socket }>
    acquireRawConnection(): Promise<unknown>
    releaseConnection(connection: unknown): Promise<void>
  }
}

/** How long until the pool has ended a connection and its socket has been given up, at most. */
const GONE_WITHIN_MS = 20_000

async function untilDestroyed(stream: Socket): Promise<void> {
  for (let waited = 0; waited < GONE_WITHIN_MS && !stream.destroyed; waited += 50) await delay(50)
  expect(stream.destroyed).toBe(true)
}

it.each(['read', 'commit'] as const)('a %s connection that nobody wants ends in peace', async (role) => {
  const knex = connectMysql({ url: inject('databaseUrl'), tlsCaFile: undefined }, role, 1)
  const { client } = knex as unknown as Pooled
  const connection = await client.acquireConnection()
  const { stream } = connection
  const errors: unknown[] = []
  stream.on('error', (error) => errors.push(error))
  await client.releaseConnection(connection)
  await untilDestroyed(stream)
  await knex.destroy()
  // Not taken for a network that fell silent: Node would make a stack trace of that, once a connection.
  expect(errors).toEqual([])
})

/** What nobody listened to while that went on. */
async function uncaughtDuring(act: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = []
  const note = (error: unknown): unknown => uncaught.push(error)
  process.on('uncaughtException', note)
  try {
    await act()
    await delay(50)
  } finally {
    process.off('uncaughtException', note)
  }
  return uncaught
}

it('a connection whose network is gone when nobody wants it any more does not end the process', async () => {
  const proxy = await FaultyProxy.inFrontOf(inject('databaseUrl'))
  const knex = connectMysql({ url: proxy.urlOf(inject('databaseUrl')), tlsCaFile: undefined }, 'read', 1)
  try {
    const { client } = knex as unknown as Pooled
    const connection = await client.acquireConnection()
    await client.releaseConnection(connection)
    proxy.fault = 'silent'
    expect(await uncaughtDuring(() => untilDestroyed(connection.stream))).toEqual([])
  } finally {
    await knex.destroy()
    await proxy.close()
  }
})

/** The first packet of a server that has no room: 1040. */
function tooManyConnections(): Buffer {
  const text = Buffer.concat([Buffer.from([0xff, 0x10, 0x04]), Buffer.from('#08004Too many connections')])
  return Buffer.concat([Buffer.from([text.length, 0, 0, 0]), text])
}

it('a connection that was refused is ended, also if the server does not end it', async () => {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    socket.write(tooManyConnections())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const knex = connectMysql({ url: `mysql://a:b@127.0.0.1:${port}/c`, tlsCaFile: undefined }, 'read', 1)
  try {
    const { client } = knex as unknown as Pooled
    const uncaught = await uncaughtDuring(async () => {
      await expect(client.acquireRawConnection()).rejects.toMatchObject({ errno: 1040 })
      await delay(100)
      expect(open.size).toBe(1)
      // What is written into a socket that is closed, not only ended by the other side, comes back as a reset.
      for (const socket of open)
        for (let i = 0; i < 20 && !socket.destroyed; i++) {
          socket.write('x')
          await delay(10)
        }
      expect(open.size).toBe(0)
    })
    expect(uncaught).toEqual([])
  } finally {
    await knex.destroy()
    server.close()
  }
})

it('a pool does not hang on a question of its own whose answer never comes', async () => {
  const proxy = await FaultyProxy.inFrontOf(inject('databaseUrl'))
  proxy.trap('select version()', 'fall-silent')
  const knex = connectMysql({ url: proxy.urlOf(inject('databaseUrl')), tlsCaFile: undefined }, 'read', 1)
  try {
    const [rows] = await knex.raw<[{ one: number }[]]>('SELECT 1 AS one')
    expect(rows).toEqual([{ one: 1 }])
  } finally {
    await proxy.close()
    await knex.destroy()
  }
})
