import { findMysql } from '../../deploy/local/mysql-server.ts'
import { findRedis } from '../../deploy/local/redis-server.ts'
import { canInstall, installMissing, type Installable } from '../../deploy/local/install-packages.ts'
import { messageOf } from '../../deploy/local/setup-error.ts'
import { findOpenssl } from './certificates.ts'
import { faketimeForRedis, findFaketime } from './fake-clock.ts'

/** What tests need of this machine to have servers of their own, wherever the others come from. */
const means: Readonly<Record<Installable, { find: () => string | undefined; tests: string }>> = {
  redis: { find: findRedis, tests: 'those with a Redis of their own' },
  mysql: { find: findMysql, tests: 'those with a MySQL of their own' },
  faketime: { find: findFaketime, tests: 'those with a clock that jumps' },
  openssl: { find: findOpenssl, tests: 'those over TLS' },
}

/** Installs what is missing if that is possible and allowed. Tests that still lack something are skipped: says which. */
export async function prepareMachine(allowInstall: boolean, log: (line: string) => void): Promise<void> {
  const names = Object.keys(means) as Installable[]
  const missing = (): Installable[] => names.filter((name) => means[name].find() === undefined)
  if (missing().length > 0 && allowInstall && canInstall()) {
    try {
      await installMissing(missing(), log)
    } catch (error) {
      log(messageOf(error))
    }
  }
  for (const name of missing()) log(`This machine has no ${name}: ${means[name].tests} are skipped.`)
  const able = findRedis() !== undefined && findFaketime() !== undefined
  if (able && (await faketimeForRedis()) === undefined) {
    log(`The Redis of this machine does not bear libfaketime: ${means.faketime.tests} are skipped.`)
  }
}
