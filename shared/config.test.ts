import { describe, expect, it } from 'vitest'
import { consumerConfig, functionConfig } from './config.ts'
import { FrontrowError } from './errors.ts'

const environment = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  DATABASE_URL: 'mysql://user:secret@127.0.0.1:3306/frontrow',
  AUTH_JWT_SECRET: 's'.repeat(32),
}

const complaintOf = (attempt: () => unknown): string => {
  try {
    attempt()
  } catch (error) {
    if (error instanceof FrontrowError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  return 'none'
}

describe('configuration', () => {
  it('takes defaults for what is not set, and an empty variable for one that is not', () => {
    expect(functionConfig({ ...environment, PORT: '' })).toMatchObject({
      port: 8080,
      backlogCap: 100_000,
      shards: undefined,
    })
  })

  it('names every variable that is wrong, and never a password', () => {
    const complaint = complaintOf(() =>
      functionConfig({
        ...environment,
        REDIS_URL: undefined,
        DATABASE_URL: 'postgres://user:secret@host/db',
        PORT: '99999',
      }),
    )
    expect(complaint).toContain('REDIS_URL is not set')
    expect(complaint).toContain('DATABASE_URL')
    expect(complaint).toContain('PORT')
    expect(complaint).not.toContain('secret')
  })

  it('takes origins as browsers send them, or everybody', () => {
    const corsOrigins = (CORS_ORIGINS: string) => functionConfig({ ...environment, CORS_ORIGINS }).corsOrigins
    expect(corsOrigins('https://a.example, http://b.example:8080')).toEqual(
      new Set(['https://a.example', 'http://b.example:8080']),
    )
    expect(corsOrigins('*')).toBe('*')
    expect(corsOrigins('')).toBeUndefined()
    for (const wrong of ['https://a.example/', 'a.example', 'https://a.example,*', '*.example']) {
      expect(complaintOf(() => corsOrigins(wrong))).toContain('CORS_ORIGINS')
    }
  })

  it('wants one way of knowing who somebody is', () => {
    expect(complaintOf(() => functionConfig({ ...environment, AUTH_JWT_SECRET: undefined }))).toContain(
      'either',
    )
    expect(
      complaintOf(() => functionConfig({ ...environment, AUTH_JWKS_URL: 'https://id.example/jwks' })),
    ).toContain('either')
    expect(complaintOf(() => functionConfig({ ...environment, AUTH_JWT_SECRET: 'short' }))).toContain(
      '32 characters',
    )
  })

  it('refuses outcomes that would outlive their records', () => {
    expect(
      complaintOf(() => consumerConfig({ ...environment, RECORD_TTL_MS: '5000', OUTCOME_TTL_MS: '6000' })),
    ).toContain('OUTCOME_TTL_MS')
  })

  it('refuses marks of taken seats that would outlive the records of cancels', () => {
    const withTimes = (record: string, taken: string): (() => unknown) => {
      return () =>
        consumerConfig({
          ...environment,
          ...{ OUTCOME_TTL_MS: '1000', RECORD_TTL_MS: record, TAKEN_SEATS_TTL_MS: taken },
        })
    }
    expect(complaintOf(withTimes('5000', '6000'))).toContain('TAKEN_SEATS_TTL_MS')
    expect(withTimes('5000', '5000')()).toMatchObject({ takenSeatsTtlMs: 5_000 })
    expect(consumerConfig(environment)).toMatchObject({ takenSeatsTtlMs: 0 })
  })

  it('wants three heartbeats at least within the member time-out', () => {
    const withTimes = (heartbeat: string, timeout: string): (() => unknown) => {
      return () => consumerConfig({ ...environment, HEARTBEAT_MS: heartbeat, MEMBER_TIMEOUT_MS: timeout })
    }
    expect(complaintOf(withTimes('1001', '3000'))).toContain('HEARTBEAT_MS')
    expect(withTimes('1000', '3000')()).toMatchObject({ heartbeatMs: 1_000, memberTimeoutMs: 3_000 })
    expect(complaintOf(withTimes('0', '3000'))).toContain('HEARTBEAT_MS')
  })
})
