import type { Random } from '../support/random.ts'
import type { Judge } from './judge.ts'
import type { SimConsumer } from './sim-consumer.ts'
import type { SimMysql } from './sim-mysql.ts'
import type { SimRedis } from './sim-redis.ts'
import type { Wire } from './wire.ts'

/** What fate can lay hands on. */
export interface Stage {
  readonly random: Random
  readonly judge: Judge
  readonly wire: Wire
  readonly redis: SimRedis
  readonly mysql: SimMysql
  readonly alive: readonly SimConsumer[]
  startConsumer(): void
  /** Customers who asked lately ask again, with the same key, as whoever got no answer does. */
  askAgain(): void
  /** The end of a fault; when peace comes all of them end at once. */
  later(ms: number, run: () => void): void
}

/** What fate may do, each for a while. */
type Strike = (world: Stage) => void

const someone = (world: Stage): SimConsumer | undefined => {
  const { alive, random } = world
  return alive[random.whole(0, Math.max(1, alive.length))]
}

/** A short moment mostly, sometimes far beyond every time-out. */
const aWhileMs = ({ random }: Stage): number =>
  random.chance(0.3) ? random.whole(1_000, 4_000) : random.whole(5, 700)

const withSomeone =
  (strike: (world: Stage, consumer: SimConsumer) => void): Strike =>
  (world) => {
    const consumer = someone(world)
    if (consumer !== undefined) strike(world, consumer)
  }

export const strikes: Readonly<Record<string, Strike>> = {
  kill: withSomeone((world, { process }) => {
    world.judge.note(`${process.name} is killed`)
    process.end()
    world.later(aWhileMs(world), () => {
      world.startConsumer()
    })
  }),
  pause: withSomeone((world, { process }) => {
    world.judge.note(`${process.name} is paused`)
    process.pause()
    world.later(aWhileMs(world), () => {
      world.judge.note(`${process.name} goes on`)
      process.resume()
    })
  }),
  'pause again': withSomeone((world, { process }) => {
    world.judge.note(`${process.name} is paused`)
    process.pause()
    world.later(world.random.whole(600, 1_500), () => {
      world.judge.note(`${process.name} goes on`)
      process.resume()
    })
  }),
  leave: withSomeone((world, { process, ownership }) => {
    if (!process.isRunning) return
    world.judge.note(`${process.name} is asked to leave`)
    ownership.leave()
    world.later(aWhileMs(world), () => {
      world.startConsumer()
    })
  }),
  join: (world) => {
    if (world.alive.length < 6) world.startConsumer()
  },
  'cut from Redis': withSomeone((world, { process }) => {
    world.judge.note(`${process.name} is cut off from Redis`)
    world.wire.cut(process, world.redis)
    world.later(aWhileMs(world), () => {
      world.wire.mend(process, world.redis)
    })
  }),
  'cut from MySQL': withSomeone((world, { process }) => {
    world.judge.note(`${process.name} is cut off from MySQL`)
    world.wire.cut(process, world.mysql)
    world.later(aWhileMs(world), () => {
      world.wire.mend(process, world.mysql)
    })
  }),
  'restart Redis': (world) => {
    world.redis.isUp = false
    world.later(aWhileMs(world), () => {
      world.redis.restart()
      world.redis.isUp = true
    })
  },
  'restart MySQL': (world) => {
    world.mysql.isUp = false
    world.mysql.restart()
    world.later(aWhileMs(world), () => {
      world.mysql.isUp = true
    })
  },
  'lose the tail': (world) => {
    world.redis.loseTail()
    world.askAgain()
  },
  'forget the members': (world) => {
    world.redis.forgetMembership()
  },
  'end the lock early': (world) => {
    world.redis.expireLock()
  },
  'turn the clock': (world) => {
    world.redis.skewMs = world.random.pick([-3_600_000, -500, 0, 500, 3_600_000])
  },
}
