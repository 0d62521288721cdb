/**
 * How Node is to run the bundles; the images say the same. What a request or a batch leaves behind lives for as long as
 * Redis or MySQL take, and V8 is told three times what to make of that.
 *
 * - It is longer than it takes to fill the usual 16 MB for young objects: most of it would be moved to where only the
 *   expensive collector looks.
 * - In a burst, so much outlives a collection that V8 begins to put new objects of the same kinds among the old ones at
 *   once, and does not stop when the burst is over. Each of them keeps all young ones alive that it points to: seen as
 *   scavenges of 10 ms instead of 1.4, for the rest of the process's life.
 * - What was moved all the same is garbage a moment later, and V8 lets that grow to four times what is alive before it
 *   looks. A function server has little that lives on, and looks when it has grown to twice as much: 280 MB under 10^5
 *   requests that waited, instead of 400. A consumer has its seats, and looks when it has grown by a third.
 *
 * @param bundle its file's name, with or without the ending
 */
export function nodeArguments(bundle: string): string[] {
  return [
    '--enable-source-maps',
    '--max-semi-space-size=32',
    '--no-allocation-site-pretenuring',
    `--heap-growing-percent=${bundle.startsWith('consumer') ? 30 : 100}`,
  ]
}

/**
 * What glibc is told: threads that now and then want a little memory, as V8's do, each get an arena of their own otherwise,
 * and what they free there is seldom given back. A function server under load has 187 MB instead of 200, a consumer 160
 * instead of 167.
 */
export const nodeEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' }
