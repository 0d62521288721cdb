/** What AWS runs around a function: loads its bundle, and hands it one event after the other. */
const { handler } = await import(process.argv[2])

process.on('message', async ({ event }) => {
  try {
    process.send({ result: await handler(event) })
  } catch (error) {
    process.send({ error: String(error?.stack) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ loaded: true })
