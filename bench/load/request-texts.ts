import { cancels, customerOf, sectionPath, seatOf, type Plan } from './plan.ts'

/** Writes requests as one text each. The parts that do not change are put together once. */
export class RequestTexts {
  readonly #plan: Plan
  readonly #identities: readonly string[]
  readonly #prefer: string
  readonly #entityTags = new Map<string, string>()
  readonly #statusIds: readonly string[]

  /** @param statusIds what a `status` plan asks for, with the customer's number */
  constructor(plan: Plan, tokens: readonly string[], waits: boolean, statusIds: readonly string[]) {
    this.#plan = plan
    this.#identities = tokens.map((token) => `host: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n`)
    this.#prefer = waits ? 'prefer: wait=5\r\n' : ''
    this.#statusIds = statusIds
  }

  first(request: number): string {
    const plan = this.#plan
    switch (plan.kind) {
      case 'get':
        return `GET ${plan.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
      case 'post':
        return post(plan.path, 'host: 127.0.0.1\r\n', `{"number":${request},"seats":["1-1","1-2"]}`)
      case 'status':
        // Each id is asked for by the customer whose it is.
        return this.status(request % this.#statusIds.length, this.statusId(request))
      case 'seat-map': {
        const path = sectionPath(plan.house, request)
        const tag = this.#entityTags.get(path)
        return `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${tag === undefined ? '' : `if-none-match: ${tag}\r\n`}\r\n`
      }
      case 'book': {
        const { performanceId, sectionId, seatId } = seatOf(plan, request)
        const headers = `${this.#identity(request)}idempotency-key: ${plan.keys}-${request}\r\n${this.#prefer}`
        const body = `{"performanceId":"${performanceId}","sectionId":"${sectionId}","seatIds":["${seatId}"]}`
        return post('/bookings', headers, body)
      }
    }
  }

  status(request: number, requestId: string): string {
    return `GET /bookings/${requestId} HTTP/1.1\r\n${this.#identity(request)}\r\n`
  }

  cancel(request: number, requestId: string): string {
    return `DELETE /bookings/${requestId} HTTP/1.1\r\n${this.#identity(request)}\r\n`
  }

  wantsCancel(request: number): boolean {
    return this.#plan.kind === 'book' && cancels(this.#plan, request)
  }

  /** The id that a `status` request asks for. */
  statusId(request: number): string {
    return this.#statusIds[request % this.#statusIds.length] ?? ''
  }

  /** Remembers the version of a section's seats, for the next who asks. */
  rememberTag(request: number, tag: string | undefined): void {
    const plan = this.#plan
    if (plan.kind === 'seat-map' && plan.conditional && tag !== undefined)
      this.#entityTags.set(sectionPath(plan.house, request), tag)
  }

  #identity(request: number): string {
    return this.#identities[customerOf(request, this.#identities.length)] ?? ''
  }
}

function post(path: string, headers: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\n${headers}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}
