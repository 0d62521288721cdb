import { describe, expect, it } from 'vitest'
import { classifyMysqlError } from './errors.ts'

describe('errors of the database', () => {
  it.each([
    ['a deadlock', { errno: 1213, sqlState: '40001' }, 'retry'],
    ['a lock wait', { errno: 1205, sqlState: 'HY000' }, 'retry'],
    ['a lost connection', { code: 'PROTOCOL_CONNECTION_LOST' }, 'retry'],
    ['a lost connection without a code', new Error('Connection lost'), 'retry'],
    ['a missing table: the server’s trouble, not the request’s', { errno: 1146, sqlState: '42S02' }, 'retry'],
    ['a full disk', { errno: 1114, sqlState: 'HY000' }, 'retry'],
    ['a duplicate key', { errno: 1062, sqlState: '23000' }, 'duplicate'],
    ['data that is too long', { errno: 1406, sqlState: '22001' }, 'data'],
    ['a check that fails', { errno: 4025, sqlState: '23000' }, 'data'],
    ['a check that fails, in MySQL', { errno: 3819, sqlState: 'HY000' }, 'data'],
    ['text that its column cannot hold, in MySQL', { errno: 1366, sqlState: 'HY000' }, 'data'],
    ['a fault of our own in building the statement', new TypeError('x is not a function'), 'data'],
    ['a trigger’s refusal', { errno: 1644, sqlState: '45000' }, 'data'],
  ])('%s', (_, error, expected) => {
    expect(classifyMysqlError(error)).toBe(expected)
  })
})
