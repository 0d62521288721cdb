import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { z } from 'zod'

/** An answer as it came, with what was asked. */
export interface Exchanged {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

const responseSchema = z.looseObject({
  headers: z.record(z.string(), z.unknown()).optional(),
  content: z.record(z.string(), z.unknown()).optional(),
})
const documentSchema = z.looseObject({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({ operationId: z.string(), responses: z.record(z.string(), responseSchema) }),
    ),
  ),
})

type Document = z.infer<typeof documentSchema>

/** Headers of the transport, of browsers' questions and of the format itself: not what the document is about. */
const UNSAID = new Set([
  'content-type',
  'content-length',
  'transfer-encoding',
  'date',
  'keep-alive',
  'connection',
  'vary',
])

/** Says what of an answer the document does not describe. It knows the document and nothing else. */
export class OpenApiJudge {
  private readonly document: Document
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true })
  private readonly compiled = new Map<string, ValidateFunction>()

  constructor(document: unknown) {
    this.document = documentSchema.parse(closed(document))
    addFormats(this.ajv)
    this.ajv.addSchema(this.document, 'api')
  }

  /** Every operation of the document: method and path template. */
  get operations(): readonly { readonly id: string; readonly method: string; readonly path: string }[] {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => ({
        id: operationId,
        method: method.toUpperCase(),
        path,
      })),
    )
  }

  /** Complaints; empty if the answer is what the document says. */
  complaints(exchanged: Exchanged): string[] {
    const { method, path, status } = exchanged
    const template = Object.keys(this.document.paths).find((each) => patternOf(each).test(path))
    if (template === undefined) return this.problemComplaints(exchanged, [404, 400])
    const methods = this.document.paths[template] ?? {}
    const name = method === 'HEAD' ? 'get' : method.toLowerCase()
    const operation = methods[name]
    if (operation === undefined) return this.problemComplaints(exchanged, [405, 400])
    const response = operation.responses[String(status)]
    if (response === undefined) return [`${method} ${template} does not say ${status}`]
    const pointer = ['paths', template, name, 'responses', String(status)]
    return [
      ...headerComplaints(
        exchanged,
        new Set(Object.keys(response.headers ?? {}).map((each) => each.toLowerCase())),
      ),
      ...this.bodyComplaints(exchanged, Object.keys(response.content ?? {}), pointer),
    ]
  }

  private bodyComplaints(
    exchanged: Exchanged,
    types: readonly string[],
    pointer: readonly string[],
  ): string[] {
    const { method, status, headers, text } = exchanged
    if (types.length === 0 || method === 'HEAD')
      return text === '' ? [] : [`a body where there is none: ${text}`]
    const type = (headers.get('content-type') ?? '').split(';')[0] ?? ''
    const described = types.find((each) => each === type || each === '*/*')
    if (described === undefined) return [`${status} is ${type}, not ${types.join(' or ')}`]
    if (!type.endsWith('json')) return []
    return this.schemaComplaints([...pointer, 'content', described, 'schema'], text)
  }

  /** What the document says of its own edges. */
  private problemComplaints(exchanged: Exchanged, statuses: readonly number[]): string[] {
    const { method, path, status, headers, text } = exchanged
    if (!statuses.includes(status)) return [`${method} ${path}, which is not described, answers ${status}`]
    if (status === 405 && headers.get('allow') === null) return ['405 without Allow']
    if (method === 'HEAD') return []
    return this.schemaComplaints(['components', 'schemas', 'Problem'], text)
  }

  private schemaComplaints(pointer: readonly string[], text: string): string[] {
    const $ref = `api#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
    let validate = this.compiled.get($ref)
    if (validate === undefined) this.compiled.set($ref, (validate = this.ajv.compile({ $ref })))
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      return [`no JSON: ${text.slice(0, 200)}`]
    }
    if (validate(body)) return []
    return (validate.errors ?? []).map(
      ({ instancePath, message }) => `${instancePath} ${message ?? ''} in ${text}`,
    )
  }
}

function headerComplaints({ status, headers }: Exchanged, described: ReadonlySet<string>): string[] {
  const unsaid = [...headers.keys()].filter(
    (name) => !described.has(name) && !UNSAID.has(name) && !name.startsWith('access-control-'),
  )
  const missing = ['x-request-id', 'x-content-type-options'].filter((name) => !headers.has(name))
  return [
    ...unsaid.map((name) => `${status} has the header ${name}, which is not described`),
    ...missing.map((name) => `${status} lacks ${name}`),
  ]
}

function patternOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)
}

/** Clients must bear fields that join; we must not have any that the document does not know. */
function closed(document: unknown): unknown {
  const copy = structuredClone(document) as { components: { schemas: Record<string, unknown> } }
  for (const [name, schema] of Object.entries(copy.components.schemas)) {
    if (name !== 'OpenApi') close(schema)
  }
  return copy
}

function close(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return
  if ('properties' in schema && !('additionalProperties' in schema)) {
    Object.assign(schema, { additionalProperties: false })
  }
  for (const part of Object.values(schema)) close(part)
}
