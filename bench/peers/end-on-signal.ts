/** Ends the process in order at the first SIGTERM or SIGINT, or when the parent that it has a channel to is gone. */
export function endOnSignal(close: () => Promise<void>): void {
  let closing = false
  const end = (): void => {
    if (closing) return
    closing = true
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  if (process.connected) process.once('disconnect', end)
}
