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
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

const house: House = { performanceId: 'hamlet', sectionIds: ['A', 'B'], rows: 20, seats: 20 }

describe.skipIf(!canHaveOwnServers() || !canMakeCertificates())('over TLS', () => {
  let redis: PrivateServer
  let mysql: PrivateServer
  let deployment: Deployment
  let certificates: Certificates
  let foreign: Certificates
  let tlsPort = 0

  beforeAll(async () => {
    const folder = ownFolder()
    certificates = await makeCertificates(join(folder, 'certificates'))
    foreign = await makeCertificates(join(folder, 'foreign-certificates'))
    const { caFile, certFile, keyFile } = certificates
    tlsPort = await freePort()
    ;[redis, mysql] = await Promise.all([
      startOwnRedis(folder, {
        extraArgs: [
          ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', caFile],
        ],
      }),
      startOwnMysql(folder, [`--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`, `--ssl-ca=${caFile}`]),
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
    await Promise.all([redis.stop(), mysql.stop()])
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
})
