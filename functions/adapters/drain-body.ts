/** More than any body that is taken, and not so much that sending it would hurt us more than its sender. */
const MAX_DRAINED_BYTES = 16 * 1_024 * 1_024
const MAX_DRAIN_MS = 1_000

interface Drained {
  readonly body: ReadableStream<Uint8Array> | null
}

/**
 * Reads what was left of a request's body and throws it away, within bounds. Where the runtime takes an answer before the
 * end of the body for a reason to cut the connection, a client that is still sending would never read the answer. Does not
 * throw: a body that broke is nobody's any more.
 */
export async function drainBody({ body }: Drained): Promise<void> {
  if (body === null || body.locked) return
  const reader = body.getReader()
  let tooLate: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    tooLate = setTimeout(resolve, MAX_DRAIN_MS, undefined)
  })
  try {
    for (let bytes = 0; bytes < MAX_DRAINED_BYTES;) {
      const chunk = await Promise.race([reader.read(), late])
      if (chunk?.value === undefined) break
      bytes += chunk.value.byteLength
    }
    await reader.cancel()
  } catch {
    // Then there is nothing left to read.
  } finally {
    clearTimeout(tooLate)
  }
}
