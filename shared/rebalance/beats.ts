import type { Redis } from 'ioredis'
import { idSchema } from '../ids.ts'
import type { MembershipKeys } from '../redis/keys.ts'
import type { Scripts } from '../redis/scripts.ts'
import type { Beat } from './failure-detector.ts'

/** The members' signs of life in Redis: a hash of counters, which Redis may lose at any time. */
export class Beats {
  private readonly redis: Redis
  private readonly scripts: Scripts
  private readonly key: string
  private readonly member: string
  private redisId: Promise<string> | undefined

  constructor(redis: Redis, scripts: Scripts, keys: MembershipKeys, member: string) {
    this.redis = redis
    this.scripts = scripts
    this.key = keys.beats
    this.member = member
    // Another server may stand at the same address by then.
    redis.on('ready', () => {
      this.redisId = undefined
    })
  }

  /**
   * Shows a beat, if there is one to show, and reads everybody's.
   *
   * @param forget the dead, with the counters at which they stand still; one that has moved since stays
   * @returns with an id that changes when Redis is another one, or was restarted
   * @throws if Redis does not answer
   */
  async exchange(
    beat: Beat | undefined,
    forget: ReadonlyMap<string, number>,
  ): Promise<{ beats: ReadonlyMap<string, Beat>; redisId: string }> {
    const dead = [...forget].flatMap(([name, counter]) => [
      [name, encodeBeat({ counter, leaving: false })],
      [name, encodeBeat({ counter, leaving: true })],
    ])
    const shown = beat === undefined ? ['', ''] : [this.member, encodeBeat(beat)]
    const args = [...shown, ...dead.flat()]
    const redisId = await this.identify()
    return { beats: decodeBeats(await this.scripts.heartbeat([this.key], args)), redisId }
  }

  private async identify(): Promise<string> {
    this.redisId ??= this.readRunId()
    try {
      return await this.redisId
    } catch (error) {
      this.redisId = undefined
      throw error
    }
  }

  private async readRunId(): Promise<string> {
    return /^run_id:(\w+)/m.exec(await this.redis.info('server'))?.[1] ?? ''
  }
}

const LEAVING = ' leaving'

function encodeBeat({ counter, leaving }: Beat): string {
  return `${counter}${leaving ? LEAVING : ''}`
}

/** What is no beat of ours is passed over: it can only come from somebody's hand. */
function decodeBeats(pairs: readonly string[]): Map<string, Beat> {
  const beats = new Map<string, Beat>()
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [name = '', text = ''] = [pairs[i], pairs[i + 1]]
    const found = /^(0|[1-9]\d{0,14})( leaving)?$/.exec(text)
    if (found !== null && idSchema.safeParse(name).success) {
      beats.set(name, { counter: Number(found[1]), leaving: found[2] === LEAVING })
    }
  }
  return beats
}
