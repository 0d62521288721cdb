import { expect, it } from 'vitest'
import { NotSent, shardBatches, type AskShardForMany } from './shard-batches.ts'
import type { Placement } from './topology-keeper.ts'

const placement = {} as Placement
const turns: (() => void)[] = []
const endTurn = () => {
  for (const act of turns.splice(0)) act()
}

it('asks a shard once for all that a turn brought, and gives each its own answer', async () => {
  const asked: [shard: number, questions: readonly string[]][] = []
  const ask = shardBatches<string, string>(
    { status: 'ready' },
    (act) => turns.push(act),
    (_, shard, questions) => {
      asked.push([shard, questions])
      return Promise.resolve(questions.map((question) => (question === 'bad' ? new Error('bad') : question)))
    },
  )
  const answers = Promise.allSettled([
    ask(placement, 0, 'a'),
    ask(placement, 1, 'b'),
    ask(placement, 0, 'bad'),
    ask(placement, 0, 'a'),
  ])
  endTurn()
  expect((await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : 'refused'))).toEqual(
    ['a', 'b', 'refused', 'a'],
  )
  expect(asked).toEqual([
    [0, ['a', 'bad', 'a']],
    [1, ['b']],
  ])
})

it('asks under the placement that each was asked under', async () => {
  const placements: Placement[] = []
  const ask: AskShardForMany<string, string> = (under, _, questions) => {
    placements.push(under)
    return Promise.resolve(questions)
  }
  const batched = shardBatches({ status: 'ready' }, (act) => turns.push(act), ask)
  const next = { mark: 'next' } as Placement
  const answers = Promise.all([batched(placement, 0, 'a'), batched(next, 0, 'b')])
  endTurn()
  expect(await answers).toEqual(['a', 'b'])
  expect(placements).toEqual([placement, next])
})

it('sends nothing when the connection is gone by the end of the turn, and says so', async () => {
  const redis: { status: 'ready' | 'close' } = { status: 'ready' }
  const ask = shardBatches<string, string>(
    redis,
    (act) => turns.push(act),
    () => {
      throw new Error('sent')
    },
  )
  const answer = ask(placement, 0, 'a')
  redis.status = 'close'
  endTurn()
  await expect(answer).rejects.toBeInstanceOf(NotSent)
})
