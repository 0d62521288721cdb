import type { Client } from './client.ts'

/** Bytes that a client may be behind before it is let go: it comes back and says where it was. */
const MAX_BEHIND_BYTES = 64 * 1_024

const encoder = new TextEncoder()

/** Text of server-sent events, ready for any number of streams. */
export function frame(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

/** One event (HTML standard, section 9.2). Neither type nor data may have line breaks. */
export function eventText({ type, data, id }: { type: string; data: string; id?: string }): string {
  return `event: ${type}\ndata: ${data}\n${id === undefined ? '' : `id: ${id}\n`}\n`
}

/**
 * One client's stream of events. Written to and never waited for: who does not keep up is let go. A plain stream of the
 * platform: hono/streaming puts two more around each, and a thousand clients pay for them.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  private controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  private readonly onClosed: () => void
  private forgetClient: (() => void) | undefined

  /** @param onClosed called once, whoever ended it */
  constructor(onClosed: () => void) {
    this.onClosed = onClosed
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.controller = controller
        },
        cancel: () => {
          this.forget()
        },
      },
      { highWaterMark: MAX_BEHIND_BYTES, size: (chunk) => chunk.byteLength },
    )
  }

  get isOpen(): boolean {
    return this.controller !== undefined
  }

  write(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.controller === undefined) return
    if ((this.controller.desiredSize ?? 0) <= 0) this.close()
    else this.controller.enqueue(bytes)
  }

  close(): void {
    this.controller?.close()
    this.forget()
  }

  /** Ends with the client's connection also where nobody reads the body yet, and so nobody would cancel it. */
  endWith(client: Client): void {
    if (this.controller === undefined) return
    const end = (): void => {
      this.close()
    }
    if (client.isGone) {
      end()
      return
    }
    client.whenGone(end)
    this.forgetClient = () => {
      client.forget(end)
    }
  }

  private forget(): void {
    if (this.controller === undefined) return
    this.controller = undefined
    this.forgetClient?.()
    this.onClosed()
  }
}
