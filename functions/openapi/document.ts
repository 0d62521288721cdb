import { OpenAPIHono } from '@hono/zod-openapi'
import { z } from 'zod'
import type { Route } from '../exchange.ts'
import { problemAnswers, problemSchema, type ProblemAnswer } from './describe-problems.ts'
import { everyAnswer, requestHeaders, responseHeaders, type ResponseHeader } from './headers.ts'
import { everywhere, identityProblems, tags, type AnswerDescription, type Operation } from './operation.ts'

const INTRODUCTION = `Books seats: every seat goes to one of those who ask for it, in the order in which they asked.

A booking is accepted at once and decided soon after. Draw one \`Idempotency-Key\` for each wish and keep it until you know
the outcome: the same key has one effect at most, however often it is sent.

| answer | meaning | do |
|---|---|---|
| \`202\`, \`200\` | accepted | read the booking until it is not \`PENDING\` |
| \`503\`, \`429\` | refused, and never carried out later | wait \`Retry-After\`, try again with the same key |
| \`504\`, or none | neither yes nor no | try again with the same key |

Every \`GET\` has a \`HEAD\`. Answers may gain fields; requests must not have unknown ones. What is no path of this document
is \`404\`, what is no method of a path is \`405\` with \`Allow\`, both as problem documents.`

type Registry = OpenAPIHono['openAPIRegistry']
type RouteConfig = Parameters<Registry['registerPath']>[0]
type Responses = RouteConfig['responses']

/** The OpenAPI 3.1 document of some routes. Their handlers stay what they are: nothing is parsed on its account. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  // Only its registry is used: it turns zod schemas into those of the document.
  const described = new OpenAPIHono()
  const registry = described.openAPIRegistry
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A JWT; its `sub` is the customer, its `scope` may have `admin`.',
  })
  registry.register('Problem', problemSchema)
  for (const [name, { description, example }] of Object.entries(responseHeaders)) {
    registry.registerComponent('headers', name, { description, schema: { type: 'string' }, example })
  }
  for (const route of routes) registry.registerPath(pathOf(route))
  return described.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Frontrow',
      version,
      description: INTRODUCTION,
      license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/', description: 'Whichever server this document came from.' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
  })
}

function pathOf({ method, pattern, operation }: Route): RouteConfig {
  const { params, query, body, identity } = operation
  return {
    method: method.toLowerCase() as Lowercase<Route['method']>,
    path: pattern.replaceAll(/:(\w+)/g, '{$1}'),
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    security: identity === 'none' ? [] : [{ bearer: identity === 'admin' ? ['admin'] : [] }],
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      headers: headersOf(operation),
      ...(body === undefined
        ? {}
        : {
            body: {
              required: true,
              content: { 'application/json': { schema: body.schema, example: body.example } },
            },
          }),
    },
    responses: responsesOf(operation),
  }
}

function headersOf({ headers = [] }: Operation): z.ZodObject {
  const names = [...headers, 'X-Request-Id' as const]
  return z.object(Object.fromEntries(names.map((name) => [name, requestHeaders[name]])))
}

function responsesOf({ answers, problems, identity }: Operation): Responses {
  const good = Object.entries(answers).map(([status, answer]) => [status, goodResponse(answer)] as const)
  const names = [...everywhere, ...identityProblems[identity], ...problems]
  const bad = problemAnswers(names).map((answer) => [String(answer.status), problemResponse(answer)] as const)
  const conflict = bad.find(([status]) => status in answers)
  if (conflict !== undefined) throw new TypeError(`${conflict[0]} is both an answer and a problem`)
  return Object.fromEntries([...good, ...bad])
}

function goodResponse(answer: AnswerDescription): Responses[string] {
  const { description, headers = [], schema, contentType = 'application/json', example } = answer
  const content = {
    [contentType]: {
      schema: schema ?? z.string(),
      ...(example === undefined ? {} : { example }),
    },
  }
  return {
    description,
    headers: headerReferences(headers),
    ...(schema === undefined && answer.contentType === undefined ? {} : { content }),
  }
}

function problemResponse({ description, headers, types, examples }: ProblemAnswer): Responses[string] {
  const schema = {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { type: 'object' as const, properties: { type: { type: 'string' as const, enum: [...types] } } },
    ],
  }
  return {
    description,
    headers: headerReferences(headers),
    content: { 'application/problem+json': { schema, examples: { ...examples } } },
  }
}

function headerReferences(names: readonly ResponseHeader[]): Record<string, { $ref: string }> {
  return Object.fromEntries(
    [...everyAnswer, ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  )
}
