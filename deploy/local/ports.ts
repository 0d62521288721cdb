import { createServer } from 'node:net'

/** Tries to listen; answers with the port, or undefined if somebody else has it. 0 asks for a free one. */
async function tryPort(host: string, port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined)
      else reject(error)
    })
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : undefined)
      })
    })
  })
}

export async function portIsFree(host: string, port: number): Promise<boolean> {
  return (await tryPort(host, port)) !== undefined
}

/** A loopback port that is free now. Somebody may take it before its server starts: whoever uses it tries again then. */
export async function freePort(): Promise<number> {
  const port = await tryPort('127.0.0.1', 0)
  if (port === undefined) throw new Error('this machine has no free port on 127.0.0.1')
  return port
}
