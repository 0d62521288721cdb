import { setTimeout as sleep } from 'node:timers/promises'
import type { HandOvers } from '../support/hand-over.ts'
import { untilShared } from '../support/ownership.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { StreamWatch } from '../support/stream-watch.ts'
import type { Cast } from './cast.ts'

const SHARED_WITHIN_MS = 30_000

/**
 * With everything in order and under a steady load of its own: a consumer is killed, replaced, leaves, and is replaced
 * again. Notes how long partitions stood still.
 *
 * @returns what the judge finds wrong afterwards
 */
export async function measureHandOvers(
  cast: Cast,
  handOvers: HandOvers,
  name: string,
): Promise<readonly string[]> {
  const { deployment, topology } = cast
  const [front] = cast.functions
  const [player] = cast.consumers
  if (front === undefined || player === undefined) throw new Error('nobody there')
  const shared = (consumers: readonly BundleProcess[]): Promise<void> =>
    untilShared(deployment, consumers, SHARED_WITHIN_MS)
  const all = (): BundleProcess[] => cast.consumers.map(({ process }) => process)
  const without = (gone: BundleProcess): BundleProcess[] => all().filter((each) => each !== gone)
  const replace = async (): Promise<void> => {
    await cast.replace('consumers', player)
    await player.process.ready()
    await shared(all())
  }
  await shared(all())
  const sale = await SteadySale.open(deployment, { url: front.process.url, topology, name })
  const watch = new StreamWatch(deployment, topology)
  await sleep(1_000)
  await handOvers.during('nothing', watch, () => sleep(1_500))
  await handOvers.during('kill', watch, async () => {
    await player.process.kill()
    await shared(without(player.process))
  })
  await handOvers.during('join', watch, replace)
  await handOvers.during('leave', watch, async () => {
    await player.process.stop()
    await shared(without(player.process))
  })
  await handOvers.during('join', watch, replace)
  await watch.end()
  return sale.close()
}
