/**
 * HTTP as AWS hands it to a function, in the two shapes that we are deployed behind:
 * - API Gateway's HTTP API, payload format 2.0 (function URLs have the same): repeated headers come joined by commas
 * - an Application Load Balancer: with one value a header or, if the target group says so, with all of them
 *
 * Hono's own adapter was tried and left: it joins repeated headers with semicolons, which no list header allows, answers
 * what it cannot read without a problem document, and is marked as deprecated without a successor.
 */
export type LambdaEvent = GatewayEvent | BalancerEvent

export interface GatewayEvent extends EventBody {
  readonly version: '2.0'
  readonly rawPath: string
  readonly rawQueryString: string
  readonly cookies?: readonly string[]
  readonly headers: Values
  readonly requestContext: { readonly http: { readonly method: string } }
}

export interface BalancerEvent extends EventBody {
  readonly requestContext: { readonly elb: object }
  readonly httpMethod: string
  readonly path: string
  readonly queryStringParameters?: Values
  readonly multiValueQueryStringParameters?: ValueLists
  readonly headers?: Values
  readonly multiValueHeaders?: ValueLists
}

type Values = Readonly<Record<string, string>>
type ValueLists = Readonly<Record<string, readonly string[]>>

interface EventBody {
  readonly body?: string
  readonly isBase64Encoded: boolean
}

export interface LambdaResult {
  readonly statusCode: number
  readonly headers?: Values
  readonly multiValueHeaders?: ValueLists
  readonly cookies?: readonly string[]
  readonly body: string
  readonly isBase64Encoded: boolean
}

/** Its URL is `https`, and of a name that nobody has if the request names none. */
const NO_HOST = 'host.invalid'

/** The request of an event. @throws TypeError if it is none: an impossible host, a header with characters no header has */
export function requestOf(event: LambdaEvent, signal?: AbortSignal): Request {
  const headers = new Headers()
  for (const [name, value] of headerPairs(event)) headers.append(name, value)
  const isGateway = 'rawPath' in event
  const method = isGateway ? event.requestContext.http.method : event.httpMethod
  const query = isGateway ? event.rawQueryString : balancerQuery(event)
  const path = (isGateway ? event.rawPath : event.path).replaceAll('?', '%3F').replaceAll('#', '%23')
  const url = `https://${headers.get('host') ?? NO_HOST}${path}${query === '' ? '' : `?${query}`}`
  const init = { method, headers, ...(signal && { signal }) }
  if (method === 'GET' || method === 'HEAD' || !event.body) return new Request(url, init)
  const body = Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8')
  // It came whole, however the client had sent it.
  headers.set('content-length', String(body.byteLength))
  return new Request(url, { ...init, body })
}

function headerPairs(event: LambdaEvent): (readonly [string, string])[] {
  if ('rawPath' in event) {
    const cookies = event.cookies === undefined ? [] : [['cookie', event.cookies.join('; ')] as const]
    return [...Object.entries(event.headers), ...cookies]
  }
  return event.multiValueHeaders === undefined
    ? Object.entries(event.headers ?? {})
    : allPairs(event.multiValueHeaders)
}

function allPairs(lists: ValueLists): (readonly [string, string])[] {
  return Object.entries(lists).flatMap(([name, values]) => values.map((value) => [name, value] as const))
}

/** The balancer takes the query apart and leaves the parts as they are encoded. */
function balancerQuery({ queryStringParameters, multiValueQueryStringParameters }: BalancerEvent): string {
  const pairs =
    multiValueQueryStringParameters === undefined
      ? Object.entries(queryStringParameters ?? {})
      : allPairs(multiValueQueryStringParameters)
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

/** A response in the shape that whoever sent the event understands. */
export async function resultOf(event: LambdaEvent, response: Response): Promise<LambdaResult> {
  const bytes = Buffer.from(await response.arrayBuffer())
  const text = textOf(bytes)
  return {
    statusCode: response.status,
    ...resultHeaders(event, response.headers),
    body: text ?? bytes.toString('base64'),
    isBase64Encoded: text === undefined,
  }
}

function resultHeaders(
  event: LambdaEvent,
  headers: Headers,
): Pick<LambdaResult, 'headers' | 'multiValueHeaders' | 'cookies'> {
  const cookies = headers.getSetCookie()
  // The connection is between the client and whoever sent the event: theirs to keep or close.
  const others = [...headers].filter(([name]) => name !== 'set-cookie' && name !== 'connection')
  if ('rawPath' in event) {
    return { headers: Object.fromEntries(others), ...(cookies.length === 0 ? {} : { cookies }) }
  }
  if (event.multiValueHeaders === undefined) {
    const [cookie] = cookies
    return { headers: Object.fromEntries([...others, ...(cookie ? [['set-cookie', cookie] as const] : [])]) }
  }
  const lists = Object.fromEntries(others.map(([name, value]) => [name, [value]]))
  return { multiValueHeaders: { ...lists, ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) } }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Undefined if these bytes are no UTF-8 and would not come through as text. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
