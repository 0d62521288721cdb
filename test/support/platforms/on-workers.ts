import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { Miniflare } from 'miniflare'
import { parseConfigFileTextToJson } from 'typescript'
import { z } from 'zod'
import { projectRoot } from '../../../deploy/local/project-root.ts'
import type { Host, StartHost } from './host.ts'

const configurationSchema = z.object({
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
})

const networkThatTrusts = (file: string) => ({
  network: {
    allow: ['public', 'private'],
    tlsOptions: { trustBrowserCas: true, trustedCertificates: [readFileSync(file, 'utf8')] },
  },
})

export const startOnWorkers: StartHost = (environment) => serveWorkers(environment)

/**
 * The Workers bundle inside Cloudflare's runtime, with what the shipped configuration sets.
 *
 * @param bundle another file than the configuration names
 * @param authority file with a certificate authority that the runtime is to trust besides the public ones
 */
export async function serveWorkers(
  environment: Readonly<Record<string, string>>,
  { bundle, authority }: { readonly bundle?: string; readonly authority?: string } = {},
): Promise<Host> {
  const file = join(projectRoot(), 'deploy', 'cloudflare', 'wrangler.jsonc')
  const { config } = parseConfigFileTextToJson(file, readFileSync(file, 'utf8')) as { config: unknown }
  const { main, compatibility_date, compatibility_flags } = configurationSchema.parse(config)
  const path = bundle ?? join(dirname(file), main)
  let logged = ''
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path }],
    modulesRoot: dirname(path),
    compatibilityDate: compatibility_date,
    compatibilityFlags: compatibility_flags,
    bindings: environment,
    ...(authority === undefined ? {} : { outboundService: networkThatTrusts(authority) }),
    host: '127.0.0.1',
    port: 0,
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      for (const stream of [stdout, stderr])
        stream.on('data', (chunk: Buffer) => (logged += chunk.toString()))
    },
  })
  const url = await miniflare.ready
  return {
    url: url.origin,
    logged: () => logged,
    stop: () => miniflare.dispose(),
  }
}
