import type { Job } from './job.ts'
import { runJob } from './run-job.ts'

/** The generator: a process of its own, so that what it costs is not taken from whom it measures. One job at a time. */
process.on('message', (job: Job) => {
  runJob(job).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
