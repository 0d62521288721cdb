import { InvalidArgumentError, type Command } from 'commander'
import { auditPerformance, type AuditReport } from '../consumer/audit/audit.ts'
import { commonConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { idSchema } from '../shared/ids.ts'
import { slotOf } from '../shared/placement.ts'
import { connectMysql } from '../shared/mysql/connect.ts'
import { connectRedis, redisReady } from '../shared/redis/connect.ts'

const CONNECT_TIMEOUT_MS = 5_000

export function registerAudit(program: Command): void {
  program
    .command('audit')
    .description('decides everything about a performance again, and compares decisions, seats and Redis')
    .argument('<performance>', 'id of the performance', parseId)
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nReads DATABASE_URL and REDIS_URL. Exits with 0 if nothing was found, with 1 if anything was.',
    )
    .action(async (performanceId: string, options: { json?: true }) => {
      const report = await audit(performanceId)
      console.log(options.json === true ? JSON.stringify(report, undefined, 2) : readable(report))
      if (report.findings.length > 0) process.exitCode = 1
    })
}

function parseId(text: string): string {
  const id = idSchema.safeParse(text)
  if (!id.success)
    throw new InvalidArgumentError('It must be 1 to 64 letters, digits, hyphens or underscores.')
  return id.data
}

async function audit(performanceId: string): Promise<AuditReport> {
  const config = commonConfig(process.env)
  const knex = connectMysql(config.mysql, 'read', 4)
  const redis = connectRedis(config.redis, 'work', () => undefined)
  try {
    await redisReady(redis, CONNECT_TIMEOUT_MS).catch((error: unknown) => {
      throw new FrontrowError('REDIS_UNAVAILABLE', 'Redis does not answer at REDIS_URL', { cause: error })
    })
    const key = { slot: slotOf(performanceId), performance_id: performanceId }
    const exists = (await knex('performance_versions').where(key).first('version')) as unknown
    const decided = (await knex('decisions').where(key).first('slot')) as unknown
    if (exists === undefined && decided === undefined) {
      throw new FrontrowError(
        'CONFIG_INVALID',
        `there is no performance ${performanceId}, and nobody asked for it`,
      )
    }
    return await auditPerformance(knex, redis, config.keyPrefix, performanceId)
  } finally {
    redis.disconnect()
    await knex.destroy()
  }
}

function readable(report: AuditReport): string {
  const { performanceId, sections, decisions, seatsTaken, findings } = report
  const head = `${performanceId}: ${decisions} decisions in ${sections} sections, ${seatsTaken} seats taken`
  const lines = findings.map(({ kind, sectionId, seatId, requestId, sequence, detail }) => {
    const where = [
      sectionId && `section ${sectionId}`,
      seatId && `seat ${seatId}`,
      requestId && `request ${requestId}`,
      sequence !== undefined && `place ${sequence}`,
    ].filter(Boolean)
    return `  ${kind}: ${where.join(', ')}${where.length > 0 ? ': ' : ''}${detail}`
  })
  return [head, findings.length === 0 ? 'nothing found' : `${findings.length} found:`, ...lines].join('\n')
}
