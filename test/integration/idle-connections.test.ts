import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, inject, it } from 'vitest'
import { connectMysql } from '../../shared/mysql/connect.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'

interface Pooled {
  readonly client: {
    acquireConnection(): Promise<{ readonly stream: Socket }>
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

it('a connection whose network is gone when nobody wants it any more does not end the process', async () => {
  const proxy = await FaultyProxy.inFrontOf(inject('databaseUrl'))
  const knex = connectMysql({ url: proxy.urlOf(inject('databaseUrl')), tlsCaFile: undefined }, 'read', 1)
  const uncaught: unknown[] = []
  const note = (error: unknown): unknown => uncaught.push(error)
  process.on('uncaughtException', note)
  try {
    const { client } = knex as unknown as Pooled
    const connection = await client.acquireConnection()
    await client.releaseConnection(connection)
    proxy.fault = 'silent'
    await untilDestroyed(connection.stream)
    await delay(50)
    expect(uncaught).toEqual([])
  } finally {
    process.off('uncaughtException', note)
    await knex.destroy()
    await proxy.close()
  }
})
