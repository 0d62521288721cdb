import { describe, expect, it } from 'vitest'
import { workersConfig } from './workers-config.ts'

const environment = {
  REDIS_URL: 'rediss://redis.example',
  DATABASE_URL: 'mysql://u:p@mysql.example/frontrow?ssl-mode=VERIFY_IDENTITY',
  AUTH_JWT_SECRET: 'a secret of at least thirty-two characters',
}

describe('the configuration on Workers', () => {
  it.each(['', '?ssl-mode=VERIFY_CA', '?ssl-mode=VERIFY_IDENTITY', '?ssl-mode=DISABLED'])(
    'takes a database with "%s"',
    (query) => {
      const url = `mysql://u:p@mysql.example/frontrow${query}`
      expect(workersConfig({ ...environment, DATABASE_URL: url }).mysql.url).toBe(url)
    },
  )

  it.each(['required', 'REQUIRED', 'PREFERRED'])(
    'refuses ssl-mode=%s: nothing goes unchecked there',
    (mode) => {
      const url = `mysql://u:secret@mysql.example/frontrow?ssl-mode=${mode}`
      expect(() => workersConfig({ ...environment, DATABASE_URL: url })).toThrow(
        new RegExp(`^configuration: DATABASE_URL: (?!.*secret).*not ${mode.toUpperCase()}$`),
      )
    },
  )

  it.each(['REDIS_TLS_CA_FILE', 'DATABASE_TLS_CA_FILE'])('refuses %s', (name) => {
    expect(() => workersConfig({ ...environment, [name]: '/ca.pem' })).toThrow(`configuration: ${name}: `)
  })
})
