/** What AWS runs around a function: loads its bundle, hands it one event after the other, and ends what takes too long. */
import { setTimeout as sleep } from 'node:timers/promises'

const { handler } = await import(process.argv[2])
/** The `Timeout` of our template, unless a test sets another. */
const timeoutMs = Number(process.env.CALL_TIMEOUT_MS ?? 29_000)

async function call(event) {
  const deadline = Date.now() + timeoutMs
  const late = new AbortController()
  const tooLate = sleep(timeoutMs, undefined, { signal: late.signal }).then(() => {
    throw new Error('Task timed out')
  })
  tooLate.catch(() => undefined)
  try {
    return await Promise.race([
      handler(event, { getRemainingTimeInMillis: () => deadline - Date.now() }),
      tooLate,
    ])
  } finally {
    late.abort()
  }
}

process.on('message', async ({ event }) => {
  try {
    process.send({ result: await call(event) })
  } catch (error) {
    process.send({ error: String(error?.stack) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ loaded: true })
