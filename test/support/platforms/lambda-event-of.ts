import type { BalancerEvent, GatewayEvent, LambdaEvent } from '../../../functions/adapters/lambda-events.ts'

/** An HTTP request as it came in. */
export interface Incoming {
  readonly method: string
  /** Path and query, as in the request line. */
  readonly target: string
  /** Names in small letters; repeated ones follow each other. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Buffer
}

export type Shape = (incoming: Incoming) => LambdaEvent

/** The shapes in which AWS tells a function of a request; after its documentation's recorded examples. */
export const shapes: readonly [Shape, ...Shape[]] = [gatewayEvent, balancerEvent, multiValueBalancerEvent]

const TEXT = /^(text\/|application\/(json|javascript|xml))/

/** What does not look like text comes in base64. */
function bodyOf({ headers, body }: Incoming): Pick<GatewayEvent, 'body' | 'isBase64Encoded'> {
  if (body.byteLength === 0) return { isBase64Encoded: false }
  const named = new Map(headers)
  const isText = TEXT.test(named.get('content-type') ?? '') && !named.has('content-encoding')
  return { body: body.toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText }
}

function split(target: string): [string, string] {
  const at = target.indexOf('?')
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}

/** API Gateway, HTTP API, payload format 2.0. */
function gatewayEvent(incoming: Incoming): GatewayEvent {
  const [rawPath, rawQueryString] = split(incoming.target)
  const cookies = incoming.headers.filter(([name]) => name === 'cookie').map(([, value]) => value)
  const headers: Record<string, string> = {}
  for (const [name, value] of incoming.headers) {
    if (name !== 'cookie') headers[name] = name in headers ? `${headers[name] ?? ''},${value}` : value
  }
  const http = {
    method: incoming.method,
    path: rawPath,
    protocol: 'HTTP/1.1',
    sourceIp: '192.0.2.1',
    userAgent: headers['user-agent'] ?? '',
  }
  const event = {
    version: '2.0' as const,
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(cookies.length === 0 ? {} : { cookies }),
    headers: { ...headers, 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' },
    requestContext: { accountId: '123456789012', apiId: 'api-id', stage: '$default', http },
    ...bodyOf(incoming),
  }
  return event
}

const balancerContext = {
  requestContext: {
    elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/frontrow/1' },
  },
}

/** An Application Load Balancer: of repeated headers and parameters the last counts. */
function balancerEvent(incoming: Incoming): BalancerEvent {
  const [path, query] = split(incoming.target)
  const { body = '', isBase64Encoded } = bodyOf(incoming)
  return {
    ...balancerContext,
    httpMethod: incoming.method,
    path,
    queryStringParameters: Object.fromEntries(parametersOf(query)),
    headers: { ...Object.fromEntries(incoming.headers), 'x-forwarded-for': '192.0.2.1' },
    body,
    isBase64Encoded,
  }
}

/** The same with the attribute `lambda.multi_value_headers.enabled` of its target group. */
function multiValueBalancerEvent(incoming: Incoming): BalancerEvent {
  const [path, query] = split(incoming.target)
  const { body = '', isBase64Encoded } = bodyOf(incoming)
  return {
    ...balancerContext,
    httpMethod: incoming.method,
    path,
    multiValueQueryStringParameters: listed(parametersOf(query)),
    multiValueHeaders: { ...listed(incoming.headers), 'x-forwarded-for': ['192.0.2.1'] },
    body,
    isBase64Encoded,
  }
}

/** Left as they are encoded. */
function parametersOf(query: string): [string, string][] {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', ...value] = part.split('=')
      return [name, value.join('=')]
    })
}

function listed(pairs: Incoming['headers']): Record<string, string[]> {
  const lists: Record<string, string[]> = {}
  for (const [name, value] of pairs) (lists[name] ??= []).push(value)
  return lists
}
