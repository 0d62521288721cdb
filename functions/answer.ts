/** JSON that is put together already. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * What a handler answers, before it becomes a `Response`. A plain value: the exchange around the handler adds the
 * headers that every response has and builds the `Response` once.
 */
export class Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }

  /** The same with more headers, if there are any. */
  with(headers: Readonly<Record<string, string>> | undefined): Answer {
    if (headers === undefined) return this
    return new Answer(this.status, this.body, { ...this.headers, ...headers })
  }
}
