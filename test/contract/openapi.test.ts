import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import openapiTS, { astToString } from 'openapi-typescript'
import createClient from 'openapi-fetch'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FunctionServer } from '../support/function-server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { World } from '../support/world.ts'
import type { paths } from './client/api.d.ts'

const root = join(import.meta.dirname, '../..')

let world: World
let server: FunctionServer

beforeAll(async () => {
  world = await World.create()
  server = await world.startFunctions()
  await world.startConsumer()
  await world.putPerformance('hamlet')
})

afterAll(async () => {
  await world.end()
})

describe('/openapi.json', () => {
  it('describes every route, each answer with an example', async () => {
    const { status, headers, body } = await server.ask('/openapi.json')
    expect([status, headers.get('content-type'), body['openapi']]).toEqual([200, 'application/json', '3.1.0'])
    const described = Object.entries(body['paths'] as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual([
      'DELETE /bookings/{requestId}',
      'GET /bookings',
      'GET /bookings/{requestId}',
      'GET /docs',
      'GET /docs/{asset}',
      'GET /livez',
      'GET /metrics',
      'GET /openapi.json',
      'GET /performances',
      'GET /performances/{performanceId}',
      'GET /performances/{performanceId}/seat-changes',
      'GET /performances/{performanceId}/sections/{sectionId}/seats',
      'GET /readyz',
      'POST /bookings',
      'PUT /performances/{performanceId}',
    ])
  })

  it('passes a public linter without a warning', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'frontrow-openapi-'))
    try {
      const file = join(folder, 'openapi.json')
      writeFileSync(file, (await server.ask('/openapi.json')).text)
      const { stdout } = await execa(
        process.execPath,
        [
          join(root, 'node_modules/@redocly/cli/bin/cli.js'),
          'lint',
          file,
          '--extends=recommended-strict',
          '--format=json',
        ],
        {
          cwd: folder,
          reject: false,
          env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CI: 'true' },
        },
      )
      const report = JSON.parse(stdout) as { totals: unknown; problems: { message: string }[] }
      expect(report.problems.map(({ message }) => message)).toEqual([])
      expect(report.totals).toMatchObject({ errors: 0, warnings: 0, ignored: 0 })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('a client generated from it', () => {
  it('is the one that is kept here', async () => {
    const document = JSON.parse((await server.ask('/openapi.json')).text) as Parameters<typeof openapiTS>[0]
    const generated = astToString(await openapiTS(document))
    await expect(generated).toMatchFileSnapshot('./client/api.d.ts')
  })

  it('books a seat', async () => {
    const client = createClient<paths>({
      baseUrl: server.url,
      headers: { authorization: `Bearer ${await tokenFor('alice')}` },
    })
    const accepted = await client.POST('/bookings', {
      params: { header: { 'Idempotency-Key': 'generated' } },
      body: { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-1'] },
    })
    expect([accepted.response.status, accepted.error]).toEqual([202, undefined])
    const requestId = accepted.data?.requestId ?? ''
    await until(async () => {
      const { data } = await client.GET('/bookings/{requestId}', { params: { path: { requestId } } })
      return data?.status === 'CONFIRMED'
    })
    const seats = await client.GET('/performances/{performanceId}/sections/{sectionId}/seats', {
      params: { path: { performanceId: 'hamlet', sectionId: 'A' } },
    })
    expect(seats.data?.taken).toEqual(['1-1'])
    const again = await client.POST('/bookings', {
      params: { header: { 'Idempotency-Key': 'generated' } },
      body: { performanceId: 'hamlet', sectionId: 'A', seatIds: ['1-2'] },
    })
    expect(again.error?.type).toBe('urn:frontrow:problem:idempotency-key-reused')
  })
})

describe('/docs', () => {
  it('is a page that needs nothing from elsewhere', async () => {
    const page = await server.ask('/docs')
    if (!server.platform.hasFiles) {
      expect([page.status, (await server.ask('/docs/swagger-ui.css')).status]).toEqual([404, 404])
      return
    }
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/https?:/)
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link)
    const files = links.filter((link) => !link.startsWith('data:'))
    expect(files).toEqual(['docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/start.js'])
    for (const file of files) {
      const { status, headers, text } = await server.ask(`/${file}`)
      expect(status).toBe(200)
      expect(headers.get('content-type')).toMatch(file.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
      expect(text.length).toBeGreaterThan(50)
    }
    expect((await server.ask('/docs/start.js')).text).toContain('openapi.json')
    for (const other of ['index.html', 'package.json', '..%2fpackage.json', 'swagger-ui.css.map']) {
      expect((await server.ask(`/docs/${other}`)).status).toBe(404)
    }
  })
})
