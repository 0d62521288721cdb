import { functionConfig } from '../../shared/config.ts'
import { FrontrowError } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { startNodeServer, type NodeServer } from './node-server.ts'

/** The function server as a process of its own. */
async function main(): Promise<void> {
  const config = functionConfig(process.env)
  const log = createLog('functions', config.logLevel)
  const server = await startNodeServer({ config, log, onDiffers: giveUp })
  stopOnSignals(server)
}

/**
 * SIGTERM and SIGINT end it, and so does the end of a parent that was connected to it: nobody is left then to send a
 * signal. The first finishes what is in flight, a second no longer waits for it.
 */
function stopOnSignals(server: NodeServer): void {
  let stopped: Promise<void> | undefined
  const stop = (): void => {
    if (stopped !== undefined) {
      void server.stop()
      return
    }
    stopped = server.stop()
    stopped.then(() => process.exit(0), giveUp)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (process.connected) process.on('disconnect', stop)
}

/** One sentence on standard error: whoever started it should not have to read a stack. */
function giveUp(error: unknown): never {
  process.stderr.write(`frontrow functions: ${sentenceOf(error)}\n`)
  process.exit(1)
}

function sentenceOf(error: unknown): string {
  if (error instanceof FrontrowError || !(error instanceof Error))
    return String(error instanceof Error ? error.message : error)
  const { code, address, port, path } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  const where = `${address ?? ''}:${port ?? ''}`
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is in use by another process; set PORT to a free port`
    case 'EACCES':
      return `${path ?? where} may not be used by this user`
    case 'EADDRNOTAVAIL':
      return `${address ?? 'HOST'} is no address of this machine; set HOST to one`
    case 'ENOENT':
      return `there is no file ${path ?? ''}`
    default:
      return error.message
  }
}

main().catch(giveUp)
