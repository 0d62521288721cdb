import { createConnection } from 'mysql2/promise'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { canMakeCertificates, makeCertificates, type Certificates } from '../support/certificates.ts'
import { Deployment, type House, type StartOptions } from '../support/deployment.ts'
import { judge } from '../support/judge.ts'
import { Load } from '../support/load.ts'
import { canHaveOwnServers, ownFolder, startOwnMysql, startOwnRedis } from '../support/own-servers.ts'
import { serveWorkers } from '../support/platforms/on-workers.ts'
import { seededRandom } from '../support/random.ts'
import { JWT_SECRET } from '../support/tokens.ts'
import { until } from '../support/until.ts'

const house: House = { performanceId: 'hamlet', sectionIds: ['A', 'B'], rows: 20, seats: 20 }

const tlsArguments = ({ caFile, certFile, keyFile }: Certificates): string[] => [
  ...[`--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`, `--ssl-ca=${caFile}`],
]

describe.skipIf(!canHaveOwnServers() || !canMakeCertificates())('over TLS', () => {
  let redis: PrivateServer
  let mysql: PrivateServer
  let deployment: Deployment
  let certificates: Certificates
  let foreign: Certificates
  /** By an authority that may be trusted, for a server of another name. */
  let elsewhere: Certificates
  let mysqlElsewhere: PrivateServer
  let tlsPort = 0

  beforeAll(async () => {
    const folder = ownFolder()
    certificates = await makeCertificates(join(folder, 'certificates'))
    foreign = await makeCertificates(join(folder, 'foreign-certificates'))
    elsewhere = await makeCertificates(join(folder, 'certificates-elsewhere'), 'DNS:mysql.example')
    const { caFile, certFile, keyFile } = certificates
    tlsPort = await freePort()
    ;[redis, mysql, mysqlElsewhere] = await Promise.all([
      startOwnRedis(folder, {
        extraArgs: [
          ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', caFile],
        ],
      }),
      startOwnMysql(folder, tlsArguments(certificates)),
      startOwnMysql(join(folder, 'elsewhere'), tlsArguments(elsewhere)),
    ])
    const admin = await createConnection(mysql.url)
    await admin.query('ALTER USER CURRENT_USER() REQUIRE SSL')
    await admin.end()
    const databaseUrl = `${mysql.url}?ssl-mode=REQUIRED`
    deployment = await Deployment.on({ redisUrl: redis.url, databaseUrl }, folder)
    await deployment.putHouse(house)
  })
  afterAll(async () => {
    await deployment.end()
    await Promise.all([redis.stop(), mysql.stop(), mysqlElsewhere.stop()])
  })

  /** To ports that speak nothing but TLS, trusting one authority. */
  function trusting(caFile: string): StartOptions {
    const redisUrl = new URL(redis.url)
    redisUrl.port = String(tlsPort)
    const databaseUrl = new URL(deployment.databaseUrl)
    databaseUrl.searchParams.set('ssl-mode', 'VERIFY_IDENTITY')
    return {
      redisUrl: redisUrl.href.replace('redis:', 'rediss:'),
      databaseUrl: databaseUrl.href,
      settings: { REDIS_TLS_CA_FILE: caFile, DATABASE_TLS_CA_FILE: caFile },
    }
  }

  it('is booked as ever', async () => {
    await expect(createConnection(mysql.url)).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' })
    const functions = await deployment.startFunctions(trusting(certificates.caFile))
    await deployment.startConsumer(trusting(certificates.caFile))
    const load = new Load({ urls: () => [functions.url], house, random: seededRandom(6), customers: 4 })
    await until(() => load.accepted > 30)
    const history = await load.stop()
    await deployment.settled()
    expect(await judge({ history, deployment, url: functions.url })).toEqual([])
  })

  it('nothing is said to servers of another authority', async () => {
    const options = { ...trusting(foreign.caFile), unready: true as const }
    const functions = await deployment.startFunctions(options)
    await until(async () => (await fetch(`${functions.url}/livez`).catch(() => undefined))?.ok === true)
    const answer = await fetch(`${functions.url}/readyz`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ checks: { redis: 'away', mysql: 'away' } })
  })

  describe('on Workers', () => {
    /** What `/readyz` says there, of servers that are known by a name, where the runtime trusts one authority. */
    async function readinessOnWorkers(
      authority: string,
      { redisUrl = '', databaseUrl = '' }: Pick<StartOptions, 'redisUrl' | 'databaseUrl'>,
    ): Promise<unknown> {
      const byName = (url: string): string => url.replace('127.0.0.1', 'localhost')
      const host = await serveWorkers(
        {
          REDIS_URL: byName(redisUrl),
          DATABASE_URL: byName(databaseUrl),
          REDIS_KEY_PREFIX: deployment.keyPrefix,
          AUTH_JWT_SECRET: JWT_SECRET,
        },
        { authority },
      )
      const response = await fetch(`${host.url}/readyz`)
      const text = await response.text()
      await host.stop()
      return JSON.parse(text)
    }

    it.each(['VERIFY_CA', 'VERIFY_IDENTITY'])('is served with ssl-mode=%s', async (sslMode) => {
      const { redisUrl = '', databaseUrl = '' } = trusting(certificates.caFile)
      const urls = { redisUrl, databaseUrl: databaseUrl.replace('VERIFY_IDENTITY', sslMode) }
      expect(await readinessOnWorkers(certificates.caFile, urls)).toMatchObject({
        status: 'ok',
        checks: { redis: 'ok', mysql: 'ok' },
      })
    })

    it('nothing is said to servers of another authority', async () => {
      const answer = await readinessOnWorkers(foreign.caFile, trusting(foreign.caFile))
      expect(answer).toMatchObject({ checks: { redis: 'away', mysql: 'away' } })
    })

    it('nothing is said to a MySQL of another name', async () => {
      const urls = { redisUrl: redis.url, databaseUrl: `${mysqlElsewhere.url}?ssl-mode=VERIFY_IDENTITY` }
      expect(await readinessOnWorkers(elsewhere.caFile, urls)).toMatchObject({
        checks: { redis: 'ok', mysql: 'away' },
      })
    })
  })
})
