import type { Ports } from '../ports.ts'
import { problem } from '../problem.ts'

/** The answer to requests that do not even reach the application: an impossible Host header, an impossible path. */
export function unreadable({ newExchangeId }: Pick<Ports, 'newExchangeId'>): Response {
  const { status, headers, body } = problem(
    'bad-request',
    'The request line or the Host header makes no sense.',
  )
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'x-request-id': newExchangeId() },
  })
}
