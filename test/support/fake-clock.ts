import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAtLeast } from '../../deploy/local/find-binary.ts'
import { checkedRedis, findRedis } from '../../deploy/local/redis-server.ts'

/** libfaketime, where this machine has it: a program that is started with it sees the time of day that we say. */
export function findFaketime(): string | undefined {
  const roots = ['/usr/lib', '/usr/lib64']
  const folders = roots.filter(existsSync).flatMap((root) => [
    root,
    // Debian has a folder for each architecture.
    ...readdirSync(root)
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(root, name)),
  ])
  return folders.map((folder) => join(folder, 'faketime', 'libfaketime.so.1')).find(existsSync)
}

/**
 * The same, if the Redis of this machine bears it. From 8 on Redis asks jemalloc for memory by names that no other
 * allocator has, so that `LD_PRELOAD` below does not help.
 */
export async function faketimeForRedis(): Promise<string | undefined> {
  if (findRedis() === undefined) return undefined
  const { version } = await checkedRedis()
  return isAtLeast(version, [8]) ? undefined : findFaketime()
}

/** A time of day of a test's own, for a program that is started with its `environment`. */
export class FakeClock {
  readonly environment: Readonly<Record<string, string>>
  readonly #file: string

  /** Begins as this machine's. */
  constructor(folder: string, library: string) {
    this.#file = join(folder, 'clock')
    this.environment = {
      // The C library's own malloc goes before jemalloc's, which asks for the time while libfaketime, in finding out
      // how to answer, asks for memory.
      LD_PRELOAD: `${library} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Looked up at every question.
      FAKETIME_NO_CACHE: '1',
      // What is measured with a monotonic clock does not jump with the time of day.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    this.aheadMs = 0
  }

  /** How far it is ahead of this machine's from now on; back, if negative. */
  set aheadMs(ms: number) {
    const seconds = ms / 1_000
    // Whoever reads while we write finds the old file or the new one.
    writeFileSync(`${this.#file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    renameSync(`${this.#file}.new`, this.#file)
  }
}
