/** What AWS runs around a function: loads its bundle, hands it one event after the other, and ends what takes too long. */
import { clearTimeout, setTimeout } from 'node:timers'

const { handler } = await import(process.argv[2])
/** The `Timeout` of our template, unless a test sets another. */
const timeoutMs = Number(process.env.CALL_TIMEOUT_MS ?? 29_000)

async function call(event) {
  const deadline = Date.now() + timeoutMs
  let timer
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('Task timed out')), timeoutMs)
  })
  try {
    const context = { getRemainingTimeInMillis: () => deadline - Date.now() }
    return await Promise.race([handler(event, context), tooLate])
  } finally {
    clearTimeout(timer)
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
