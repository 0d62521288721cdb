import { functionConfig, type Environment, type FunctionConfig } from '../../shared/config.ts'
import { FrontrowError } from '../../shared/errors.ts'
import { sslModeOf } from '../../shared/mysql/connect.ts'

/**
 * The configuration of Cloudflare's runtime. It checks every certificate itself, against public authorities, and takes
 * neither another authority nor less: better a sentence than a MySQL that is away for ever.
 *
 * @throws FrontrowError CONFIG_INVALID
 */
export function workersConfig(environment: Environment): FunctionConfig {
  const config = functionConfig(environment)
  const { redis, mysql } = config
  if (redis.tlsCaFile !== undefined) throw refused('REDIS_TLS_CA_FILE', 'there are no files on Workers')
  if (mysql.tlsCaFile !== undefined) throw refused('DATABASE_TLS_CA_FILE', 'there are no files on Workers')
  const mode = sslModeOf(mysql)
  if (mode === 'REQUIRED' || mode === 'PREFERRED') {
    throw refused(
      'DATABASE_URL',
      `Workers always check certificates; ssl-mode must be VERIFY_CA or VERIFY_IDENTITY, not ${mode}`,
    )
  }
  return config
}

function refused(name: string, why: string): FrontrowError {
  return new FrontrowError('CONFIG_INVALID', `configuration: ${name}: ${why}`)
}
