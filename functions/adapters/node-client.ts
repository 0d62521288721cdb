import type { HttpBindings } from '@hono/node-server'
import type { ClientOf } from '../client.ts'

/**
 * The client as its connection tells of it. A request's signal would say the same, but to make one costs as much as a
 * tenth of an accept, and every one that waits needs it.
 */
export const connectedClient: ClientOf = (c) => {
  const { outgoing } = c.env as HttpBindings
  return {
    get isGone() {
      return outgoing.destroyed
    },
    whenGone(act) {
      outgoing.once('close', act)
      return () => {
        outgoing.off('close', act)
      }
    },
  }
}
