import { setTimeout as sleep } from 'node:timers/promises'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import type { Topology } from '../../shared/placement.ts'
import { membershipKeys } from '../../shared/redis/keys.ts'
import { Deployment } from '../support/deployment.ts'
import { FakeClock, faketimeForRedis } from '../support/fake-clock.ts'
import { FaultyProxy, type Trick } from '../support/faulty-proxy.ts'
import { startOwnMysql, startOwnRedis } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import type { Random } from '../support/random.ts'

/** A process, and the proxies by which it reaches its servers. */
export interface Player {
  process: BundleProcess
  readonly toRedis: FaultyProxy
  readonly toMysql: FaultyProxy
}

/** Few, so that a round asks something of each again and again. */
const TOPOLOGY: Topology = { version: 1, shards: 4, partitionsPerShard: 4 }

const FEWEST_CONSUMERS = 2
const MOST_CONSUMERS = 4

/**
 * Everything that a mixture of faults can strike: Redis and MySQL, two function servers, and two to four consumers, which
 * share the partitions.
 */
export class Cast {
  readonly redis: PrivateServer
  /** What Redis takes for the time of day; undefined where this machine has no means to tell it another. */
  readonly clock: FakeClock | undefined
  /** That was changed since the round began. */
  clockJumped = false
  readonly mysql: PrivateServer
  readonly deployment: Deployment
  readonly topology = TOPOLOGY
  readonly functions: Player[] = []
  readonly consumers: Player[] = []
  readonly random: Random

  private constructor(servers: Pick<Cast, 'redis' | 'mysql' | 'clock' | 'deployment'>, random: Random) {
    this.redis = servers.redis
    this.clock = servers.clock
    this.mysql = servers.mysql
    this.deployment = servers.deployment
    this.random = random
  }

  static async assemble(folder: string, random: Random): Promise<Cast> {
    const library = await faketimeForRedis()
    const clock = library === undefined ? undefined : new FakeClock(folder, library)
    const [redis, mysql] = await Promise.all([
      startOwnRedis(folder, clock && { clock }),
      startOwnMysql(folder),
    ])
    const deployment = await Deployment.on({ redisUrl: redis.url, databaseUrl: mysql.url }, folder)
    const cast = new Cast({ redis, mysql, clock, deployment }, random)
    for (const kind of ['functions', 'functions', 'consumers', 'consumers', 'consumers'] as const) {
      const player = await cast.engage(kind)
      await player.process.ready()
      cast[kind].push(player)
    }
    return cast
  }

  /** Replaces a process by a new one, behind the same proxies. */
  async replace(kind: 'functions' | 'consumers', player: Player): Promise<void> {
    player.process = await this.start(kind, player)
  }

  /** One more consumer, unless there are enough. */
  async hire(): Promise<void> {
    if (this.consumers.length < MOST_CONSUMERS) this.consumers.push(await this.engage('consumers'))
  }

  /** One consumer less, unless there are few: it leaves in order. */
  async letGo(player: Player): Promise<void> {
    if (this.consumers.length <= FEWEST_CONSUMERS) return
    this.consumers.splice(this.consumers.indexOf(player), 1)
    await player.process.stop()
    await Promise.all([player.toRedis.close(), player.toMysql.close()])
  }

  /** Takes every fault back, and waits until everything works. */
  async heal(): Promise<void> {
    for (const { process, toRedis, toMysql } of [...this.functions, ...this.consumers]) {
      for (const proxy of [toRedis, toMysql]) {
        proxy.disarm()
        proxy.delayMs = 0
        proxy.fault = 'pass'
        // What is held or silent stays so on its connection.
        proxy.breakAll()
      }
      if (process.isRunning) process.wake()
    }
    await Promise.all([...this.functions, ...this.consumers].map(({ process }) => process.ready(60_000)))
  }

  async dismiss(): Promise<void> {
    await this.deployment.end()
    const proxies = [...this.functions, ...this.consumers].flatMap(({ toRedis, toMysql }) => [
      toRedis,
      toMysql,
    ])
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await Promise.all([this.redis.stop(), this.mysql.stop()])
  }

  private async engage(kind: 'functions' | 'consumers'): Promise<Player> {
    const toRedis = await FaultyProxy.inFrontOf(this.deployment.redisUrl)
    const toMysql = await FaultyProxy.inFrontOf(this.deployment.databaseUrl)
    return { process: await this.start(kind, { toRedis, toMysql }), toRedis, toMysql }
  }

  private start(
    kind: 'functions' | 'consumers',
    { toRedis, toMysql }: Omit<Player, 'process'>,
  ): Promise<BundleProcess> {
    const { redisUrl, databaseUrl } = this.deployment
    const topology = {
      SHARDS: String(TOPOLOGY.shards),
      PARTITIONS_PER_SHARD: String(TOPOLOGY.partitionsPerShard),
    }
    const ways = {
      redisUrl: toRedis.urlOf(redisUrl),
      databaseUrl: toMysql.urlOf(databaseUrl),
      unready: true as const,
    }
    return kind === 'functions'
      ? this.deployment.startFunctions({ ...ways, settings: topology })
      : this.deployment.startConsumer({
          ...ways,
          settings: {
            ...topology,
            MAX_BATCH: String(this.random.pick([5, 50, 500])),
            TAKEN_SEATS_TTL_MS: String(this.random.pick([0, 3_000])),
          },
        })
  }
}

/** A fault by its name: strikes, lasts for a while, and goes. */
export type Strike = (cast: Cast) => Promise<void>

const someone = (cast: Cast, players: readonly Player[]): Player => {
  const player = players[cast.random.whole(0, players.length)]
  if (player === undefined) throw new Error('nobody there')
  return player
}

const proxyOf = (cast: Cast): FaultyProxy => {
  const player = someone(cast, [...cast.functions, ...cast.consumers])
  return cast.random.chance(0.5) ? player.toRedis : player.toMysql
}

const forAWhile = async ({ random }: Cast, mostMs = 1_500): Promise<void> => {
  await sleep(random.whole(50, mostMs))
}

const HOUR_MS = 3_600_000

export const strikes: Readonly<Record<string, Strike>> = {
  'kill a consumer': async (cast) => {
    const player = someone(cast, cast.consumers)
    await player.process.kill()
    await forAWhile(cast)
    await cast.replace('consumers', player)
  },
  'stop a consumer in order': async (cast) => {
    const player = someone(cast, cast.consumers)
    await player.process.stop()
    await cast.replace('consumers', player)
  },
  'freeze a consumer': async (cast) => {
    const { process } = someone(cast, cast.consumers)
    process.freeze()
    await forAWhile(cast, 7_000)
    process.wake()
  },
  'freeze a consumer while another one is replaced': async (cast) => {
    const frozen = someone(cast, cast.consumers)
    const other = cast.consumers.find((player) => player !== frozen) ?? frozen
    frozen.process.freeze()
    await other.process.kill()
    await cast.replace('consumers', other)
    await forAWhile(cast, 4_000)
    frozen.process.wake()
  },
  'one more consumer': (cast) => cast.hire(),
  'one consumer less': (cast) => cast.letGo(someone(cast, cast.consumers)),
  'restart all consumers, one after the other': async (cast) => {
    for (const player of [...cast.consumers]) {
      await player.process.stop()
      await cast.replace('consumers', player)
      await forAWhile(cast, 1_000)
    }
  },
  'cut a consumer off': async (cast) => {
    const { toRedis, toMysql } = someone(cast, cast.consumers)
    const proxy = cast.random.pick([toRedis, toMysql])
    proxy.fault = cast.random.pick(['silent', 'down'])
    await forAWhile(cast, 6_000)
    proxy.fault = 'pass'
  },
  'delete what Redis knows of the consumers': async (cast) => {
    const { beats, maps, lock } = membershipKeys(cast.deployment.keyPrefix, { version: 1 })
    await cast.deployment.redis.del(beats, maps, lock)
  },
  'kill a function server': async (cast) => {
    const player = someone(cast, cast.functions)
    await player.process.kill()
    await forAWhile(cast)
    await cast.replace('functions', player)
  },
  'kill Redis': async (cast) => {
    await cast.redis.kill()
    await forAWhile(cast)
    await cast.redis.start()
  },
  'change the clock of Redis': async (cast) => {
    if (cast.clock === undefined) return
    cast.clockJumped = true
    cast.clock.aheadMs = cast.random.pick([-HOUR_MS, -2_000, 2_000, HOUR_MS])
    await forAWhile(cast)
    cast.clock.aheadMs = 0
  },
  'kill MySQL': async (cast) => {
    await cast.mysql.kill()
    await forAWhile(cast)
    await cast.mysql.start()
  },
  'break connections': (cast) => {
    proxyOf(cast).breakAll()
    return Promise.resolve()
  },
  'lose the answer to a COMMIT': async (cast) => {
    for (const { toMysql } of cast.consumers) toMysql.trap('COMMIT;', 'lose-answer')
    await forAWhile(cast)
  },
  'send a COMMIT late': async (cast) => {
    const traps = cast.consumers.map(({ toMysql }) => toMysql.trap('COMMIT;', 'send-late'))
    await forAWhile(cast)
    for (const trap of traps) trap.release()
  },
  'hold a statement': async (cast) => {
    const statement = cast.random.pick(['BEGIN;', 'COMMIT;', 'INSERT INTO decisions'])
    const trick = cast.random.pick<Trick>(['hold-before', 'hold-inside'])
    const traps = cast.consumers.map(({ toMysql }) => toMysql.trap(statement, trick))
    await forAWhile(cast, 6_000)
    for (const trap of traps) trap.release()
  },
  'lose the answer to a script': async (cast) => {
    for (const { toRedis } of [...cast.functions, ...cast.consumers]) toRedis.trap('evalsha', 'lose-answer')
    await forAWhile(cast)
  },
  'fall silent': async (cast) => {
    const proxy = proxyOf(cast)
    proxy.fault = cast.random.pick(['silent', 'swallow'])
    await forAWhile(cast, 4_000)
    proxy.fault = 'pass'
  },
  'refuse connections': async (cast) => {
    const proxy = proxyOf(cast)
    proxy.fault = 'down'
    await forAWhile(cast)
    proxy.fault = 'pass'
  },
  'slow everything down': async (cast) => {
    const proxy = proxyOf(cast)
    proxy.delayMs = cast.random.whole(5, 100)
    await forAWhile(cast)
    proxy.delayMs = 0
  },
  'forget what Redis remembers': async (cast) => {
    const { deployment, random } = cast
    const records = await deployment.keysLike('r')
    const outcomes = await deployment.keysLike('o')
    const forgotten = [...records, ...outcomes].filter(() => random.chance(0.2))
    // Until a cancel is decided, marks of taken seats rest on its record, which nothing takes away before.
    const cancels = forgotten.filter((key) => key.endsWith('/cancel'))
    const stands = await Promise.all(cancels.map((cancel) => deployment.redis.hget(cancel, 'status')))
    if (stands.includes('PENDING')) forgotten.push(...(await deployment.keysLike('taken')))
    if (forgotten.length > 0) await deployment.redis.del(...forgotten)
  },
}
