import { until } from './until.ts'

export interface ReceivedEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A client of server-sent events, as a browser's EventSource reads them, without its coming back by itself. */
export class EventClient {
  readonly events: ReceivedEvent[] = []
  lastEventId: string | undefined
  status = 0
  ended = false
  private readonly abort = new AbortController()

  static async open(url: string, lastEventId?: string): Promise<EventClient> {
    const client = new EventClient()
    const response = await fetch(url, {
      signal: client.abort.signal,
      headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    })
    client.status = response.status
    void client.read(response)
    return client
  }

  types(): string[] {
    return this.events.map(({ type }) => type)
  }

  async received(count: number): Promise<readonly ReceivedEvent[]> {
    await until(() => this.events.length >= count)
    return this.events
  }

  close(): void {
    this.abort.abort()
  }

  private async read(response: Response): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true })
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) this.take(block)
      }
    } catch {
      // Closed by us, or broken: either way it has ended.
    }
    this.ended = true
  }

  private take(block: string): void {
    const fields = new Map<string, string>()
    for (const line of block.split('\n')) {
      const at = line.indexOf(':')
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).trimStart())
    }
    this.lastEventId = fields.get('id') ?? this.lastEventId
    const data = fields.get('data')
    if (data !== undefined) {
      this.events.push({
        type: fields.get('event') ?? 'message',
        data: JSON.parse(data) as ReceivedEvent['data'],
      })
    }
  }
}
