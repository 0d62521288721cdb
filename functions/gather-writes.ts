import type { Redis } from 'ioredis'

/**
 * Lets a client's commands of one turn of the event loop leave in one write. Each write is a system call, which costs as
 * much as all else of an accept; under load dozens of requests are read in one turn. Nothing is held longer than that:
 * the turn's end lets go, with one request as with a hundred. What a broken connection loses meanwhile was never sent,
 * which its caller hears as `unknown`.
 */
export function writesGatherer(redis: Redis): () => void {
  let gathering: Redis['stream'] | undefined
  const letGo = (): void => {
    gathering?.uncork()
    gathering = undefined
  }
  return () => {
    if (gathering !== undefined) return
    gathering = redis.stream
    gathering.cork()
    setImmediate(letGo)
  }
}
