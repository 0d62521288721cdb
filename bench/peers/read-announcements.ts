import type { Redis } from 'ioredis'

const BLOCK_MS = 1_000

/** Hands in every section's name that was announced or will be, perhaps more than once. Takes the connection over. */
export function readAnnouncements(
  redis: Redis,
  key: string,
  onSection: (name: string) => void,
): { close(): Promise<void> } {
  let closed = false
  const read = async (): Promise<void> => {
    let last = '0'
    while (!closed) {
      const answer = await redis.xread('BLOCK', BLOCK_MS, 'STREAMS', key, last)
      for (const [id, [, name]] of answer?.[0]?.[1] ?? []) {
        last = id
        if (name !== undefined) onSection(name)
      }
    }
  }
  const reading = read().catch((error: unknown) => {
    if (!closed) throw error
  })
  return {
    async close() {
      closed = true
      redis.disconnect()
      await reading
    },
  }
}
