import { serve, type ServerType } from '@hono/node-server'
import { consumerConfig, type ConsumerConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { createLog } from '../shared/log.ts'
import { Consumer } from './consumer.ts'
import { createHealthApp } from './health.ts'
import { createConsumerMetrics } from './metrics.ts'

/** The consumer as a process. Exit codes: 0 stopped as asked, 1 could not go on. */
async function main(): Promise<void> {
  const config = consumerConfig(process.env)
  const log = createLog('consumer', config.logLevel)
  const metrics = createConsumerMetrics()
  const consumer = new Consumer(config, log, metrics)
  const server = await listen(config, consumer, metrics)
  stopOnSignals(consumer)
  try {
    await consumer.run()
  } finally {
    server.close()
    log.info('bye')
  }
}

async function listen(
  config: ConsumerConfig,
  consumer: Consumer,
  metrics: ReturnType<typeof createConsumerMetrics>,
): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve(
      { fetch: createHealthApp(consumer, metrics).fetch, hostname: config.host, port: config.port },
      () => {
        resolve(server)
      },
    )
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is in use' : error.message
      reject(new FrontrowError('CONFIG_INVALID', `cannot listen on CONSUMER_PORT ${config.port}: ${why}`))
    })
  })
}

/** The first signal drains; a second one hurries. A parent that dies with its channel open counts as a signal. */
function stopOnSignals(consumer: Consumer): void {
  let asked = false
  const stop = (): void => {
    if (asked) process.exit(1)
    asked = true
    consumer.stop()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (process.connected) {
    process.once('disconnect', () => {
      if (!asked) stop()
    })
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      `frontrow consumer: ${error instanceof FrontrowError ? error.message : String(error)}\n`,
    )
    process.exit(1)
  },
)
