import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ResponseReader, type HttpAnswer } from './response-reader.ts'

const NO_ANSWER: HttpAnswer = { status: 0, head: '', body: '' }
/** Longer than any request may take here, the longest granted wait among them. */
const SILENCE_MS = 30_000
const SWEEP_MS = 1_000
/** So many connections are opened at once: a server's queue of new ones is not what is measured. */
const OPENED_AT_ONCE = 128

const PIECE = Buffer.allocUnsafe(65_536)

interface Waiting {
  readonly text: string
  readonly done: (answer: HttpAnswer) => void
}

/** A fixed number of keep-alive connections to one server or several, each with one request in flight. What finds none free waits in line. */
export class Lines {
  readonly #all: Line[]
  readonly #idle: Line[] = []
  readonly #waiting: Waiting[] = []
  #firstWaiting = 0
  readonly #sweep: NodeJS.Timeout
  /** Requests so far. */
  sent = 0

  private constructor(ports: readonly number[], count: number) {
    const freed = (line: Line): void => {
      this.#freed(line)
    }
    this.#all = Array.from({ length: count }, (_, i) => new Line(ports[i % ports.length] ?? 0, freed))
    this.#sweep = setInterval(() => {
      const now = performance.now()
      for (const line of this.#all) line.giveUpIfSilentSince(now - SILENCE_MS)
    }, SWEEP_MS)
  }

  static async open(ports: readonly number[], count: number): Promise<Lines> {
    const lines = new Lines(ports, count)
    for (let from = 0; from < count; from += OPENED_AT_ONCE) {
      await Promise.all(lines.#all.slice(from, from + OPENED_AT_ONCE).map((line) => line.open()))
    }
    lines.#idle.push(...lines.#all)
    return lines
  }

  /** Status 0 if the connection ended instead of answering. */
  send(text: string): Promise<HttpAnswer> {
    this.sent += 1
    return new Promise((done) => {
      // The one that was idle for longest: a server closes what nobody uses, perhaps just when a request is sent.
      const line = this.#idle.shift()
      if (line === undefined) this.#waiting.push({ text, done })
      else line.send(text, done)
    })
  }

  get hasIdle(): boolean {
    return this.#idle.length > 0
  }

  close(): void {
    clearInterval(this.#sweep)
    for (const line of this.#all) line.close()
  }

  #freed(line: Line): void {
    const next = this.#waiting[this.#firstWaiting]
    if (next === undefined) {
      this.#waiting.length = 0
      this.#firstWaiting = 0
      this.#idle.push(line)
      return
    }
    this.#firstWaiting += 1
    line.send(next.text, next.done)
  }
}

class Line {
  readonly #port: number
  readonly #freed: (line: Line) => void
  readonly #reader = new ResponseReader()
  #socket: Socket | undefined
  #done: ((answer: HttpAnswer) => void) | undefined
  #sentAt = 0

  constructor(port: number, freed: (line: Line) => void) {
    this.#port = port
    this.#freed = freed
  }

  /** @throws if nobody listens there */
  async open(): Promise<void> {
    await once(this.#connect(), 'connect')
  }

  send(text: string, done: (answer: HttpAnswer) => void): void {
    this.#done = done
    this.#sentAt = performance.now()
    const socket = this.#socket?.writable === true ? this.#socket : this.#connect()
    socket.write(text, 'latin1')
  }

  giveUpIfSilentSince(ms: number): void {
    if (this.#done !== undefined && this.#sentAt < ms) this.#socket?.destroy()
  }

  close(): void {
    this.#socket?.destroy()
  }

  #connect(): Socket {
    const read = (length: number, buffer: Uint8Array): boolean => {
      const answer = this.#reader.push((buffer as Buffer).subarray(0, length))
      if (answer !== undefined) this.#answered(answer)
      return true
    }
    // All read into the same bytes, which are a text before the next comes: a stream would make an object of each piece.
    const onread = { buffer: PIECE, callback: read }
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true, onread })
    // Its end follows, and answers.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#reader.reset()
      if (this.#done !== undefined) this.#answered(NO_ANSWER)
    })
    this.#socket = socket
    return socket
  }

  #answered(answer: HttpAnswer): void {
    const done = this.#done
    this.#done = undefined
    done?.(answer)
    this.#freed(this)
  }
}
