import type { Random } from '../support/random.ts'
import type { Clockwork } from './clockwork.ts'
import type { SimProcess } from './sim-process.ts'

/** A server that can be away. */
export interface Host {
  readonly name: string
  isUp: boolean
  /** Another after each restart: connections do not outlive it. */
  incarnation: number
}

export interface CallOptions {
  /** The client library sends again what got no answer, so it may be carried out twice. */
  readonly resent?: boolean
}

/** After which a client gives an answer up; some come later, and what they answer has been carried out all the same. */
const GIVE_UP_MS = 800

/** The network: messages take their time, get lost, come late, twice, or in another order. */
export class Wire {
  /** Nothing goes wrong, and everything is quick. */
  calm = false
  private readonly clockwork: Clockwork
  private readonly random: Random
  private readonly cuts = new Set<string>()

  constructor(clockwork: Clockwork, random: Random) {
    this.clockwork = clockwork
    this.random = random
  }

  cut(process: SimProcess, host: Host): void {
    this.cuts.add(`${process.name} ${host.name}`)
  }

  mend(process: SimProcess, host: Host): void {
    this.cuts.delete(`${process.name} ${host.name}`)
  }

  mendAll(): void {
    this.cuts.clear()
  }

  /** What a process asks of a server. What was sent is carried out, whatever becomes of the process meanwhile. */
  call<T>(
    process: SimProcess,
    host: Host,
    serve: () => T | Promise<T>,
    { resent = false }: CallOptions = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.clockwork.after(GIVE_UP_MS, () => {
          process.deliver(() => {
            reject(new Error('no answer'))
          })
        })
      }
      const { incarnation } = host
      const answer = (run: () => void): void => {
        if (this.loses(process, host) || host.incarnation !== incarnation) {
          giveUp()
          return
        }
        this.clockwork.after(this.delayMs(), () => {
          process.deliver(run)
        })
      }
      const arrive = (): void => {
        if (!host.isUp || host.incarnation !== incarnation) {
          giveUp()
          return
        }
        Promise.resolve()
          .then(serve)
          .then(
            (value) => {
              answer(() => {
                resolve(value)
              })
            },
            (error: unknown) => {
              answer(() => {
                reject(error instanceof Error ? error : new Error(String(error)))
              })
            },
          )
      }
      if (this.loses(process, host)) giveUp()
      else this.clockwork.after(this.delayMs(), arrive)
      if (resent && !this.calm && this.random.chance(0.02)) {
        this.clockwork.after(this.delayMs() + this.random.whole(0, 300), () => {
          if (host.isUp)
            void Promise.resolve()
              .then(serve)
              .catch(() => undefined)
        })
      }
    })
  }

  private loses(process: SimProcess, host: Host): boolean {
    return this.cuts.has(`${process.name} ${host.name}`) || (!this.calm && this.random.chance(0.01))
  }

  private delayMs(): number {
    const usual = 0.2 + this.random.next() * 2
    return !this.calm && this.random.chance(0.02) ? this.random.whole(20, 1_500) : usual
  }
}
