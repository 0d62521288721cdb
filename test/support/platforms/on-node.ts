import { readFileSync, rmSync } from 'node:fs'
import { ownFolder } from '../own-servers.ts'
import { BundleProcess } from '../processes.ts'
import { until } from '../until.ts'
import type { StartHost } from './host.ts'

/** The Node server in a process of its own. */
export const startOnNode: StartHost = async (environment) => {
  const folder = ownFolder()
  const server = await BundleProcess.start({ bundle: 'functions', folder, environment })
  await until(() => !server.isRunning || server.isListening(), 20_000)
  if (!server.isRunning) throw new Error(`it did not start: ${readFileSync(server.logFile, 'utf8')}`)
  return {
    url: server.url,
    logged: () => readFileSync(server.logFile, 'utf8'),
    async stop() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
