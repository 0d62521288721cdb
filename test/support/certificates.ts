import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { findBinary } from '../../deploy/local/find-binary.ts'

export interface Certificates {
  /** The authority that clients are to trust. */
  readonly caFile: string
  /** The certificate of a server on this machine, and its key. */
  readonly certFile: string
  readonly keyFile: string
}

export function canMakeCertificates(): boolean {
  return findOpenssl() !== undefined
}

export function findOpenssl(): string | undefined {
  return findBinary(['openssl'], process.env['PATH'])
}

const OF_THIS_MACHINE = 'DNS:localhost,IP:127.0.0.1'
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority of a test's own, and a server's certificate by it, for these names. Both end soon. */
export async function makeCertificates(folder: string, names = OF_THIS_MACHINE): Promise<Certificates> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Promise<unknown> =>
    execa(findOpenssl() ?? 'openssl', args, { cwd: folder, stdin: 'ignore' })
  writeFileSync(at('names'), `subjectAltName=${names}\n`)
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=an authority of a test']
  await openssl('req', '-x509', ...NEW_KEY, ...ca)
  await openssl(
    'req',
    ...NEW_KEY,
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
    '-subj',
    '/CN=a server of a test',
  )
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
  await openssl('x509', '-req', '-in', 'server.csr', ...signed, '-out', 'server.pem')
  return { caFile: at('ca.pem'), certFile: at('server.pem'), keyFile: at('server.key') }
}
