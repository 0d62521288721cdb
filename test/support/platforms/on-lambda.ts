import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LambdaResult } from '../../../functions/adapters/lambda-events.ts'
import type { StartHost } from './host.ts'
import { shapes, type Incoming } from './lambda-event-of.ts'
import { LambdaInstance } from './lambda-instance.ts'

/** AWS would start more; a test's own processor is better off if some requests wait. */
const MAX_INSTANCES = 3

/**
 * The Lambda function behind HTTP, as AWS puts it there. Requests come to it in the shapes of API Gateway and of both
 * kinds of balancer in turn.
 */
export const startOnLambda: StartHost = async (environment) => {
  const pool = new InstancePool(environment)
  let count = 0
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const incoming = await read(request)
    const shape = shapes[count++ % shapes.length] ?? shapes[0]
    const result = await pool.use((instance) => instance.invoke(shape(incoming)))
    write(response, result)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      response.writeHead(502).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    logged: () => pool.logged,
    async stop() {
      server.closeAllConnections()
      server.close()
      await pool.stop()
    },
  }
}

/** Instances, each with one event at a time; one that has served is taken before another is started. */
class InstancePool {
  logged = ''
  private readonly environment: Readonly<Record<string, string>>
  private readonly idle: LambdaInstance[] = []
  private readonly all: Promise<LambdaInstance>[] = []
  private readonly waiting: ((instance: LambdaInstance) => void)[] = []

  constructor(environment: Readonly<Record<string, string>>) {
    this.environment = environment
  }

  async use<T>(work: (instance: LambdaInstance) => Promise<T>): Promise<T> {
    const instance = await this.take()
    try {
      return await work(instance)
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.idle.push(instance)
      else next(instance)
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map(async (instance) => (await instance).stop()))
  }

  private take(): Promise<LambdaInstance> {
    const idle = this.idle.pop()
    if (idle !== undefined) return Promise.resolve(idle)
    if (this.all.length >= MAX_INSTANCES) return new Promise((resolve) => this.waiting.push(resolve))
    const started = LambdaInstance.start(this.environment, (text) => (this.logged += text))
    this.all.push(started)
    return started
  }
}

async function read(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = (request.rawHeaders[i] ?? '').toLowerCase()
    // Those of the connection end where AWS begins.
    if (name !== 'connection' && name !== 'transfer-encoding')
      headers.push([name, request.rawHeaders[i + 1] ?? ''])
  }
  return {
    method: request.method ?? '',
    target: request.url ?? '/',
    headers,
    body: Buffer.concat(chunks),
  }
}

function write(response: ServerResponse, result: LambdaResult): void {
  for (const [name, value] of Object.entries(result.headers ?? {})) response.setHeader(name, value)
  for (const [name, values] of Object.entries(result.multiValueHeaders ?? {}))
    response.setHeader(name, [...values])
  if (result.cookies !== undefined) response.setHeader('set-cookie', [...result.cookies])
  response.writeHead(result.statusCode)
  response.end(Buffer.from(result.body, result.isBase64Encoded ? 'base64' : 'utf8'))
}
