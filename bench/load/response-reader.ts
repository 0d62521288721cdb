/** An answer as far as a load looks at it. Texts are Latin-1: ids and codes are ASCII. */
export interface HttpAnswer {
  /** 0: the connection ended before the answer did. */
  readonly status: number
  readonly head: string
  readonly body: string
}

/**
 * Puts together the answers of one keep-alive connection with one request in flight. Reads what servers of this benchmark
 * send (content-length, chunked, or no body) and nothing else: a whole parser would cost as much as what is measured.
 */
export class ResponseReader {
  #text = ''

  /** The answer, once all of it is here. */
  push(chunk: Buffer): HttpAnswer | undefined {
    this.#text = this.#text === '' ? chunk.toString('latin1') : this.#text + chunk.toString('latin1')
    const answer = parseAnswer(this.#text)
    if (answer !== undefined) this.#text = ''
    return answer
  }

  reset(): void {
    this.#text = ''
  }
}

function parseAnswer(text: string): HttpAnswer | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = text.slice(0, headEnd)
  const status = Number(head.slice(9, 12))
  const from = headEnd + 4
  if (status === 304 || status === 204) return { status, head, body: '' }
  const length = headerOf(head, 'content-length')
  if (length !== undefined) {
    const end = from + Number(length)
    return text.length < end ? undefined : { status, head, body: text.slice(from, end) }
  }
  const body = unchunked(text, from)
  return body === undefined ? undefined : { status, head, body }
}

function unchunked(text: string, from: number): string | undefined {
  let body = ''
  for (let at = from; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (text.length < end + 2) return undefined
    if (size === 0) return body
    body += text.slice(lineEnd + 2, end)
    at = end + 2
  }
}

/** Node writes names as they were given, and its own with capitals: both are looked for. */
export function headerOf(head: string, name: string): string | undefined {
  let at = head.indexOf(`\r\n${name}: `)
  if (at < 0) at = head.toLowerCase().indexOf(`\r\n${name}: `)
  if (at < 0) return undefined
  const from = at + name.length + 4
  const end = head.indexOf('\r\n', from)
  return end < 0 ? head.slice(from) : head.slice(from, end)
}

/** A text member of a flat JSON body, found by looking: parsing all of it would cost the load more than reading it. */
export function memberOf(body: string, name: string): string | undefined {
  const at = body.indexOf(`"${name}":"`)
  if (at < 0) return undefined
  const from = at + name.length + 4
  return body.slice(from, body.indexOf('"', from))
}
