/**
 * Loaded before a bundle whose event loop a test wants to block: SIGUSR2 stops everything in the process' main thread
 * for ten seconds, without its knowing. Waits instead of spinning, so that the rest of the machine stays as quick.
 */
const BLOCKED_MS = 10_000

process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS)
})
