import type { Redis } from 'ioredis'

const PREFIX = 'plain{0}s:'

/** Where the bare server puts a section's bookings. */
export const plainStream = (sectionId: string): string => `${PREFIX}${sectionId}`

/** Entries on those streams. */
export async function countPlainEntries(redis: Redis): Promise<number> {
  const lengths = await Promise.all((await redis.keys(`${PREFIX}*`)).map((stream) => redis.xlen(stream)))
  return lengths.reduce((sum, length) => sum + length, 0)
}
