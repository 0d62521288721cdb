import { existsSync } from 'node:fs'
import { request, type RequestOptions } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** A socket may be there while nobody, or nobody in good health, listens on it. */
const ANSWER_WITHIN_MS = 2_000

/** Whether a Docker engine answers, asked where the client library will look for it. Takes two seconds at most. */
export async function dockerAnswers(environment: Environment): Promise<boolean> {
  const target = engineAddress(environment)
  return target !== undefined && ping(target)
}

function engineAddress(environment: Environment): RequestOptions | undefined {
  const host = environment['DOCKER_HOST']
  if (!host) {
    const runtime = environment['XDG_RUNTIME_DIR']
    const sockets = [
      '/var/run/docker.sock',
      ...(runtime ? [join(runtime, 'docker.sock')] : []),
      join(homedir(), '.docker', 'run', 'docker.sock'),
    ]
    const socketPath = sockets.find((path) => existsSync(path))
    return socketPath === undefined ? undefined : { socketPath }
  }
  if (!URL.canParse(host)) return undefined
  const { protocol, pathname, hostname, port } = new URL(host)
  if (protocol === 'unix:') return { socketPath: pathname }
  return protocol === 'tcp:' || protocol === 'http:' ? { hostname, port } : undefined
}

function ping(target: RequestOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(
      { ...target, path: '/_ping', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    call.on('error', () => {
      resolve(false)
    })
    call.end()
  })
}
