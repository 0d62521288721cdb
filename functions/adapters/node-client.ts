import type { HttpBindings } from '@hono/node-server'
import type { ServerResponse } from 'node:http'
import type { Client, ClientOf } from '../client.ts'

/**
 * The client as its connection tells of it. A request's signal would say the same, but to make one costs as much as a
 * tenth of an accept, and every one that waits needs it.
 */
class ConnectedClient implements Client {
  private readonly answer: ServerResponse

  constructor(answer: ServerResponse) {
    this.answer = answer
  }

  get isGone(): boolean {
    return this.answer.destroyed
  }

  whenGone(act: () => void): void {
    this.answer.on('close', act)
  }

  forget(act: () => void): void {
    this.answer.off('close', act)
  }
}

export const connectedClient: ClientOf = (c) => new ConnectedClient((c.env as HttpBindings).outgoing)
