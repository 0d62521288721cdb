import { STATUS_CODES, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FunctionConfig } from '../../shared/config.ts'
import type { Ports } from '../ports.ts'
import { problem, type ProblemName } from '../problem.ts'

/** All header lines together, in bytes: a token and some tracing fit many times over. */
const MAX_HEADER_BYTES = 16_384
/**
 * An idle connection stays longer than the minute for which usual load balancers keep theirs: of the two, the one that
 * sends requests must be the one that closes, or a request meets a connection that is just being reset.
 */
const KEEP_ALIVE_MS = 65_000
/** How often Node looks for requests that are late. */
const LATE_SWEEP_MS = 250

/** Bounds for what clients send before it is a request. Node's own defaults would wait for minutes. */
export function serverOptions({ requestTimeoutMs }: Pick<FunctionConfig, 'requestTimeoutMs'>): ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: LATE_SWEEP_MS,
  }
}

/** Codes of Node's parser for which there is more to say than that the request makes no sense. */
const named: Readonly<Record<string, readonly [ProblemName, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', `At most ${MAX_HEADER_BYTES} bytes of headers are taken.`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['body-too-large', 'The chunk extensions are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The whole request must be sent sooner. Try again.'],
}

/** Node notes there, for its own answer to the same event, which response is under way. */
type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null }

/** Answers what Node's parser refuses, with a problem document like every other refusal, and ends the connection. */
export function answerUnreadable(server: Server, { newExchangeId }: Pick<Ports, 'newExchangeId'>): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: AnsweringSocket) => {
    // A connection that broke, or one that is being answered already: nothing can be said there any more.
    if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent === true) {
      socket.destroy()
      return
    }
    const [name, detail] = named[error.code ?? ''] ?? ['bad-request', 'This is no well-formed HTTP request.']
    const answer = problem(name, detail)
    const body = JSON.stringify(answer.body)
    const lines = [
      `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      'cache-control: no-store',
      'connection: close',
      `x-request-id: ${newExchangeId()}`,
    ]
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
  })
}
