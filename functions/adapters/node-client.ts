import type { HttpBindings } from '@hono/node-server'
import type { Socket } from 'node:net'
import type { Client, ClientOf } from '../client.ts'

/**
 * The client as its connection tells of it. A request's signal would say the same, but to make one costs as much as a
 * tenth of an accept, and every one that waits needs it. The answer would not say it of a request that was sent behind
 * another one on the same connection: its turn has not come when the connection breaks, so it never closes.
 */
class ConnectedClient implements Client {
  private readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
  }

  get isGone(): boolean {
    return this.socket.destroyed
  }

  whenGone(act: () => void): void {
    // As many as there are requests one behind the other: no sign of a leak.
    this.socket.setMaxListeners(0)
    this.socket.on('close', act)
  }

  forget(act: () => void): void {
    this.socket.off('close', act)
  }
}

export const connectedClient: ClientOf = (c) => new ConnectedClient((c.env as HttpBindings).incoming.socket)
