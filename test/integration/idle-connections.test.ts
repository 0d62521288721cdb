import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, inject, it } from 'vitest'
import { connectMysql } from '../../shared/mysql/connect.ts'

interface Pooled {
  readonly client: {
    acquireConnection(): Promise<{ readonly stream: Socket }>
    releaseConnection(connection: unknown): Promise<void>
  }
}

it.each(['read', 'commit'] as const)('a %s connection that nobody wants ends in peace', async (role) => {
  const knex = connectMysql({ url: inject('databaseUrl'), tlsCaFile: undefined }, role, 1)
  const { client } = knex as unknown as Pooled
  const connection = await client.acquireConnection()
  const { stream } = connection
  const errors: unknown[] = []
  stream.on('error', (error) => errors.push(error))
  await client.releaseConnection(connection)
  for (let waited = 0; waited < 10_000 && !stream.destroyed; waited += 50) await delay(50)
  await knex.destroy()
  expect(stream.destroyed).toBe(true)
  // Not taken for a network that fell silent: Node would make a stack trace of that, once a connection.
  expect(errors).toEqual([])
})
