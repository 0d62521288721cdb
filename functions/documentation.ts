import type { RequestContext, Route } from './exchange.ts'
import { docs, docsAsset, openApi } from './openapi/describe-operations.ts'
import { openApiDocument } from './openapi/document.ts'
import { pageAssets } from './openapi/page-assets.ts'
import type { Ports } from './ports.ts'
import { notFound } from './problem.ts'
import type { Answer } from './answer.ts'

/** Version of the interface, as the document says it. */
const API_VERSION = '1.0.0'
/** The document changes with the process only. */
const KEEP = { 'cache-control': 'public, max-age=300' }

/** Swagger UI sets styles on elements and shows its images inline; all else comes from this server. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Relative addresses: the page may stand behind a path of somebody's proxy. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Frontrow</title>
    <link rel="stylesheet" href="docs/swagger-ui.css" />
    <link rel="icon" href="data:," />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`

/** A file of its own, because the page's policy runs no script that stands in it. */
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })
`

/** The document of some routes and of these, and a page to read it. */
export function documentationRoutes(ports: Pick<Ports, 'docsAsset'>, described: readonly Route[]): Route[] {
  let text: string | undefined
  const document = (): string =>
    (text ??= JSON.stringify(openApiDocument([...described, ...own], API_VERSION)))
  const own: Route[] = [
    {
      method: 'GET',
      pattern: '/openapi.json',
      operation: openApi,
      handler: () => file(document(), 'application/json'),
    },
    { method: 'GET', pattern: '/docs', operation: docs, handler: () => page(ports) },
    { method: 'GET', pattern: '/docs/:asset', operation: docsAsset, handler: (c) => asset(ports, c) },
  ]
  return own
}

function page({ docsAsset: source }: Pick<Ports, 'docsAsset'>): Answer | Response {
  if (source === undefined) return notFound()
  const response = file(PAGE, 'text/html; charset=utf-8')
  response.headers.set('content-security-policy', PAGE_POLICY)
  return response
}

async function asset(
  { docsAsset: source }: Pick<Ports, 'docsAsset'>,
  c: RequestContext,
): Promise<Answer | Response> {
  if (source === undefined) return notFound()
  const name = c.req.param('asset')
  if (name === 'start.js') return file(START, 'text/javascript; charset=utf-8')
  const known = pageAssets.find((each) => each === name)
  const bytes = known === undefined ? undefined : await source(known)
  if (bytes === undefined) return notFound()
  return file(
    bytes,
    name?.endsWith('.css') === true ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8',
  )
}

function file(content: string | Uint8Array<ArrayBuffer>, contentType: string): Response {
  return new Response(content, { headers: { 'content-type': contentType, ...KEEP } })
}
