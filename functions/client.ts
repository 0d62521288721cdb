import type { Context, Env } from 'hono'

/** Who sent a request, as somebody who may hang up before the answer. */
export interface Client {
  readonly isGone: boolean
  /** Calls back once it hangs up. */
  whenGone(act: () => void): void
  /** Does not call that back any more. */
  forget(act: () => void): void
}

/** Finds a request's client. */
export type ClientOf = (c: Pick<Context<Env, string>, 'req' | 'env'>) => Client

/** The client as the request's signal tells of it, which every platform has. */
export const signallingClient: ClientOf = (c) => {
  const { signal } = c.req.raw
  return {
    get isGone() {
      return signal.aborted
    },
    whenGone(act) {
      signal.addEventListener('abort', act)
    },
    forget(act) {
      signal.removeEventListener('abort', act)
    },
  }
}
