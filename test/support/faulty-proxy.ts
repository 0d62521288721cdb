import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * What a proxy does with what comes.
 * - `pass`: hands everything on
 * - `swallow`: hands on what the client sends, and nothing that the server answers; a connection that lost an answer
 *   stays silent for good, because what came later would be taken for it
 * - `cut`: hands on what the client sends, and breaks the connection when the server answers; then `pass`
 * - `cut-off`: the same; then `down`
 * - `down`: breaks every connection at once
 */
export type Fault = 'pass' | 'swallow' | 'cut' | 'cut-off' | 'down'

/** A TCP proxy in front of a server, which fails on request. */
export class FaultyProxy {
  #fault: Fault = 'pass'
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** @param target URL of the server; its host and port matter */
  static async inFrontOf(target: string): Promise<FaultyProxy> {
    const { hostname, port } = new URL(target)
    const server = createServer()
    const proxy = new FaultyProxy(server)
    server.on('connection', (client) => {
      proxy.#join(client, connect(Number(port), hostname))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  /** The target's URL, by way of the proxy. */
  urlOf(target: string): string {
    const url = new URL(target)
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return url.href
  }

  set fault(fault: Fault) {
    this.#fault = fault
    if (fault === 'down') this.#breakAll()
  }

  async close(): Promise<void> {
    this.#breakAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #breakAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket, server: Socket): void {
    const end = (): void => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    if (this.#fault === 'down') {
      end()
      return
    }
    let silent = false
    client.on('data', (chunk) => server.write(chunk))
    server.on('data', (chunk) => {
      if (this.#fault === 'swallow') silent = true
      if (this.#fault === 'pass' && !silent) client.write(chunk)
      if (this.#fault === 'cut' || this.#fault === 'cut-off') {
        this.#fault = this.#fault === 'cut' ? 'pass' : 'down'
        end()
      }
    })
  }
}
