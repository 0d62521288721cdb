import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * What a proxy does with what comes.
 * - `pass`: hands everything on
 * - `swallow`: hands on what the client sends, and nothing that the server answers; a connection that lost an answer
 *   stays silent for good, because what came later would be taken for it
 * - `cut`: hands on what the client sends, and breaks the connection when the server answers; then `pass`
 * - `cut-off`: the same; then `down`
 * - `silent`: hands nothing on in either direction, and never will on connections that lost something
 * - `down`: breaks every connection at once
 */
export type Fault = 'pass' | 'swallow' | 'cut' | 'cut-off' | 'silent' | 'down'

/**
 * What befalls the next chunk of a client that has certain bytes in it. Chunks are what one write of the client makes
 * of them: a statement of MySQL, a pipeline of Redis.
 * - `hold-before`: the chunk waits in the proxy
 * - `hold-inside`: what comes before the bytes is handed on, the rest waits: a packet that was half sent
 * - `lose-answer`: the chunk is handed on, and the connection breaks when its answer comes
 * - `send-late`: the client's connection breaks at once; the server gets the chunk at `release`, and then its end
 * - `fall-silent`: the chunk is lost, and so is all that comes after it on that connection, which nobody ends
 */
export type Trick = 'hold-before' | 'hold-inside' | 'lose-answer' | 'send-late' | 'fall-silent'

/** A trick that is set up. */
export interface Trap {
  /** The bytes came by. */
  readonly sprung: Promise<void>
  /** Lets go of what is held. */
  release(): void
  /** The server answered, or ended the connection, after that. */
  readonly answered: Promise<void>
}

interface SetTrap extends Trap {
  readonly bytes: string
  readonly trick: Trick
  readonly spring: () => void
  readonly answer: () => void
  readonly released: Promise<void>
}

/** A TCP proxy in front of a server, which fails on request. */
export class FaultyProxy {
  #fault: Fault = 'pass'
  #delayMs = 0
  readonly #traps: SetTrap[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #pairs = new Set<Pair>()
  #target: URL

  private constructor(server: Server, target: URL) {
    this.#server = server
    this.#target = target
  }

  /** @param target URL of the server; its host and port matter */
  static async inFrontOf(target: string): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy(server, new URL(target))
    server.on('connection', (client) => {
      const { hostname, port } = proxy.#target
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
    if (fault === 'down') this.breakAll()
  }

  /** Every chunk of a client's takes this much longer from now on. */
  set delayMs(ms: number) {
    this.#delayMs = ms
  }

  /** Stands in front of another server from now on, as an address does that is moved in a failover. */
  switchTo(target: string): void {
    this.#target = new URL(target)
    this.breakAll()
  }

  /** Plays a trick on the next chunk that holds some bytes, once. */
  trap(bytes: string, trick: Trick): Trap {
    const [sprung, released, answered] = [latch(), latch(), latch()]
    const trap: SetTrap = {
      bytes,
      trick,
      sprung: sprung.opened,
      spring: sprung.open,
      released: released.opened,
      release: released.open,
      answered: answered.opened,
      answer: answered.open,
    }
    this.#traps.push(trap)
    return trap
  }

  /** Takes back every trap that has not sprung. */
  disarm(): void {
    this.#traps.length = 0
  }

  /** Breaks every connection; new ones are welcome. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Loses every connection without a word, as a network does that forgets them; new ones work. */
  forgetAll(): void {
    for (const pair of this.#pairs) pair.deaf = true
  }

  async close(): Promise<void> {
    this.breakAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    }
    const pair = new Pair(client, server)
    this.#pairs.add(pair)
    client.on('close', () => this.#pairs.delete(pair))
    if (this.#fault === 'down') {
      pair.end()
      return
    }
    // One chunk after the other: what is held or delayed holds up what comes behind it.
    let queue = Promise.resolve()
    client.on('data', (chunk) => {
      queue = queue.then(() => this.#fromClient(pair, chunk))
    })
    server.on('data', (chunk) => {
      this.#fromServer(pair, chunk)
    })
  }

  async #fromClient(pair: Pair, chunk: Buffer): Promise<void> {
    if (this.#delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#delayMs))
    if (this.#fault === 'silent') pair.deaf = true
    if (pair.deaf) return
    const at = this.#traps.findIndex(({ bytes }) => chunk.includes(bytes))
    const [trap] = at < 0 ? [] : this.#traps.splice(at, 1)
    if (trap === undefined) pair.server.write(chunk)
    else await pair.fallInto(trap, chunk)
  }

  #fromServer(pair: Pair, chunk: Buffer): void {
    pair.onAnswer()
    if (this.#fault === 'swallow' || this.#fault === 'silent') pair.silent = true
    if (this.#fault === 'cut' || this.#fault === 'cut-off') {
      this.#fault = this.#fault === 'cut' ? 'pass' : 'down'
      pair.end()
    } else if (pair.breakOnAnswer) pair.end()
    else if (this.#fault === 'pass' && !pair.silent) pair.client.write(chunk)
  }
}

/** A client's connection and the one behind it. */
class Pair {
  readonly client: Socket
  readonly server: Socket
  /** Lost something of what the server said: what came later would be taken for it. */
  silent = false
  /** The same for what the client said. */
  deaf = false
  breakOnAnswer = false
  onAnswer: () => void = () => undefined
  #outlivesClient = false

  constructor(client: Socket, server: Socket) {
    this.client = client
    this.server = server
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      // Its close follows.
      socket.on('error', () => undefined)
    }
    client.on('close', () => {
      if (!this.#outlivesClient) server.destroy()
    })
    server.on('close', () => {
      this.onAnswer()
      // Who hears nothing does not hear the end either.
      if (!this.silent) client.destroy()
    })
  }

  end(): void {
    this.client.destroy()
    this.server.destroy()
  }

  async fallInto(trap: SetTrap, chunk: Buffer): Promise<void> {
    const hear = (): void => {
      this.onAnswer = trap.answer
      // It may have given the client up meanwhile.
      if (this.server.destroyed) trap.answer()
    }
    trap.spring()
    switch (trap.trick) {
      case 'lose-answer':
        hear()
        this.breakOnAnswer = true
        this.server.write(chunk)
        return
      case 'send-late':
        this.#outlivesClient = true
        this.client.destroy()
        await trap.released
        hear()
        this.breakOnAnswer = true
        this.server.write(chunk)
        return
      case 'hold-before':
        await trap.released
        hear()
        this.server.write(chunk)
        return
      case 'hold-inside': {
        const at = chunk.indexOf(trap.bytes)
        this.server.write(chunk.subarray(0, at))
        await trap.released
        hear()
        this.server.write(chunk.subarray(at))
        return
      }
      case 'fall-silent':
        this.deaf = true
        this.silent = true
    }
  }
}

function latch(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}
