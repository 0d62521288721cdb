import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { isScalar, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { functionConfig } from '../../shared/config.ts'

const root = projectRoot()

describe('deploy/cloudflare/wrangler.jsonc', () => {
  it('is taken by wrangler, with a bundle that fits', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'frontrow-wrangler-'))
    const { stdout, exitCode } = await execa(
      process.execPath,
      [
        join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js'),
        'deploy',
        '--dry-run',
        '--config',
        join(root, 'deploy', 'cloudflare', 'wrangler.jsonc'),
        '--outdir',
        join(folder, 'out'),
      ],
      {
        cwd: root,
        env: { WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG_PATH: folder, XDG_CONFIG_HOME: folder, CI: '1' },
        reject: false,
      },
    )
    rmSync(folder, { recursive: true })
    expect(exitCode).toBe(0)
    // Cloudflare takes 3 MB compressed on its smallest plan.
    const gzipKib = Number(/gzip: ([\d.]+) KiB/.exec(stdout)?.[1])
    expect(gzipKib).toBeLessThan(3_000)
  })
})

describe('deploy/aws/template.yaml', () => {
  const file = join(root, 'deploy', 'aws', 'template.yaml')
  const tags = ['!Ref', '!Sub', '!GetAtt'].map((tag) => ({
    tag,
    resolve: (text: string) => ({ [tag]: text }),
  }))
  const document = parseDocument(readFileSync(file, 'utf8'), { customTags: tags })
  const template = z
    .object({
      Parameters: z.record(z.string(), z.unknown()),
      Resources: z.looseObject({
        Functions: z.object({
          Type: z.literal('AWS::Serverless::Function'),
          Properties: z.object({
            CodeUri: z.string(),
            Handler: z.string(),
            Runtime: z.literal('nodejs24.x'),
            Timeout: z.number().max(29),
            Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
          }),
        }),
      }),
    })
    .parse(document.toJS())

  it('is YAML, and speaks of nothing that it does not have', () => {
    expect(document.errors).toEqual([])
    const named = new Set([...Object.keys(template.Parameters), ...Object.keys(template.Resources)])
    const references: string[] = []
    visit(document, {
      Scalar(_, node) {
        const source = isScalar(node) ? String(node.source) : ''
        if (node.tag === '!Ref') references.push(source)
        if (node.tag === '!Sub')
          references.push(...[...source.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? ''))
      },
    })
    expect(references.length).toBeGreaterThan(5)
    expect(references.filter((name) => !named.has(name))).toEqual([])
  })

  it('names a handler that the bundle has, and settings that it knows', () => {
    const { CodeUri, Handler, Environment } = template.Resources.Functions.Properties
    const [module = '', name = ''] = Handler.split('.')
    const bundle = readFileSync(join(dirname(file), CodeUri, `${module}.mjs`), 'utf8')
    expect(bundle).toMatch(new RegExp(`export ?\\{[^}]*\\b${name}\\b[^}]*\\}`))
    const variables = Object.keys(Environment.Variables)
    const url: Record<string, string> = {
      REDIS_URL: 'redis://redis',
      DATABASE_URL: 'mysql://mysql/frontrow',
      AUTH_JWKS_URL: 'https://identity.example/keys',
    }
    expect(variables).toEqual(expect.arrayContaining(Object.keys(url)))
    expect(() => functionConfig(Object.fromEntries(variables.map((key) => [key, url[key]])))).not.toThrow()
  })
})
