import type { Context } from 'hono'
import type { Answer } from './answer.ts'
import { problem } from './problem.ts'

const JSON_TYPE = /^application\/json\s*(?:;|$)/i

/** The body's JSON, or the problem with it. Never holds more than `limitBytes` of it. */
export async function readJson(
  c: Context,
  limitBytes: number,
): Promise<{ readonly value: unknown } | Answer> {
  const encoding = c.req.header('content-encoding')
  if (
    !JSON_TYPE.test(c.req.header('content-type') ?? '') ||
    (encoding !== undefined && encoding !== 'identity')
  ) {
    return problem('unsupported-media-type', 'Send the body as application/json, not compressed.')
  }
  const length = c.req.header('content-length')
  if (length !== undefined && Number(length) > limitBytes) return tooLarge(limitBytes)
  let text: string | undefined
  try {
    // With a length, the server sees to it that no more than that comes.
    text = length === undefined ? await readBounded(c.req.raw, limitBytes) : await c.req.raw.text()
  } catch {
    return problem('bad-request', 'The body ended before its end.')
  }
  if (text === undefined) return tooLarge(limitBytes)
  if (text.length > SHORT && isTooDeep(text)) {
    return problem('malformed-json', `The body is nested deeper than ${MAX_DEPTH} levels.`)
  }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return problem('malformed-json', 'The body is not well-formed JSON.')
  }
}

/** Deeper than anything that validates: what is refused anyway must not first become millions of objects. */
const MAX_DEPTH = 32
/** Not worth looking at. */
const SHORT = 1_024

function isTooDeep(json: string): boolean {
  let depth = 0
  let quoted = false
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case 0x22: // quote
        quoted = !quoted
        break
      case 0x5c: // backslash, and what it escapes
        i++
        break
      case 0x5b: // opening bracket, opening brace
      case 0x7b:
        if (!quoted && ++depth > MAX_DEPTH) return true
        break
      case 0x5d: // closing bracket, closing brace
      case 0x7d:
        if (!quoted) depth--
        break
      default:
    }
  }
  return false
}

/** Undefined as soon as there is more than allowed. */
async function readBounded(request: Request, limitBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  const reader = request.body?.getReader()
  for (;;) {
    const chunk: { done: boolean; value?: Uint8Array | undefined } = (await reader?.read()) ?? { done: true }
    if (chunk.value === undefined) return text + decoder.decode()
    size += chunk.value.byteLength
    if (size > limitBytes) {
      // Whoever has the connection may read on.
      reader?.releaseLock()
      return undefined
    }
    text += decoder.decode(chunk.value, { stream: true })
  }
}

/**
 * The rest of such a body is not kept. The connection is not closed with the answer: that would reset it under a client
 * which is still sending, and the client would never read why. The server listens a little longer and hangs up then.
 */
function tooLarge(limitBytes: number): Answer {
  return problem('body-too-large', `At most ${limitBytes} bytes are taken.`)
}
