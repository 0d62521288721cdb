import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { Topology } from '../../shared/placement.ts'
import { broadcastMap } from '../../shared/rebalance/map-broadcast.ts'
import type { PartitionMap } from '../../shared/rebalance/partition-map.ts'
import { storeMap } from '../../shared/rebalance/stored-maps.ts'
import { membershipKeys } from '../../shared/redis/keys.ts'
import { defineScripts } from '../../shared/redis/scripts.ts'
import { Deployment } from '../support/deployment.ts'
import { FaultyProxy, type Trap } from '../support/faulty-proxy.ts'
import { newestMap, storedPartitions, untilShared, type StoredPartition } from '../support/ownership.ts'
import { ownFolder } from '../support/own-servers.ts'
import type { BundleProcess } from '../support/processes.ts'
import { SteadySale } from '../support/steady-sale.ts'
import { until } from '../support/until.ts'

const topology: Topology = { version: 1, shards: 1, partitionsPerShard: 4 }

/** Nobody is to be taken for dead here, and nobody makes a map but the test. */
const settings = {
  MEMBER_TIMEOUT_MS: '60000',
  SHARDS: String(topology.shards),
  PARTITIONS_PER_SHARD: String(topology.partitionsPerShard),
}

let deployment: Deployment
let toMysql: FaultyProxy
let owner: BundleProcess
/** Its claim comes late. */
let late: BundleProcess
let sale: SteadySale
/** The one that goes from `owner` to `late` and back. */
let partition: number
/** Partitions that `owner` had let go of before that. */
let released: number

beforeEach(async () => {
  const servers = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
  deployment = await Deployment.on(servers, ownFolder())
  toMysql = await FaultyProxy.inFrontOf(deployment.databaseUrl)
  const url = (await deployment.startFunctions({ settings })).url
  owner = await deployment.startConsumer({ settings })
  late = await deployment.startConsumer({ databaseUrl: toMysql.urlOf(deployment.databaseUrl), settings })
  await untilShared(deployment, [owner, late])
  partition = (await newestMap(deployment)).owners.findIndex((name) => name === owner.memberName)
  released = await owner.count('frontrow_partition_moves_total{how="released"}')
  sale = await SteadySale.open(deployment, { url, topology })
  await until(() => sale.accepted > 20)
})
afterEach(async () => {
  await deployment.end()
  await toMysql.close()
})

/** The newest map but for one partition, as the next generation; in MySQL alone, where everybody looks every few seconds. */
async function storeNext(changed: number, to: BundleProcess): Promise<PartitionMap> {
  const { generation, members, owners } = await newestMap(deployment)
  const [next = ''] = members.filter((name) => name === to.memberName)
  const assignment = {
    members,
    owners: owners.map((name, i) => members.indexOf(i === changed ? next : name)),
  }
  return storeMap(deployment.knex, topology, { generation: generation + 1, assignment }, 'join', Date.now())
}

async function broadcast(map: PartitionMap): Promise<void> {
  await broadcastMap(defineScripts(deployment.redis), membershipKeys(deployment.keyPrefix, topology), map)
}

const refusedClaims = (): Promise<number> => late.count('frontrow_claims_total{result="refused"}')

/** Whose the partition is by its row, and under which epoch and generation. */
async function row(): Promise<StoredPartition> {
  const found = (await storedPartitions(deployment))[partition]
  if (found === undefined) throw new Error(`there is no partition ${partition}`)
  return found
}

/** Lets the late claim go on, which must find the partition taken and leave it alone. */
async function expectRefusal(claim: Trap, { epoch }: StoredPartition): Promise<void> {
  claim.release()
  await until(async () => (await refusedClaims()) > 0)
  await untilShared(deployment, [owner, late])
  const before = sale.accepted
  await until(() => sale.accepted > before + 50)
  expect(await sale.close()).toEqual([])
  expect(await row()).toMatchObject({ owner: owner.memberName, epoch })
  // Nor was it anybody else's in between.
  expect(await owner.count('frontrow_refused_commits_total')).toBe(0)
}

describe('a claim that is made late, when newer maps have given the partition back', () => {
  it('finds it taken, although its owner never heard that it was to go, and never claimed it again', async () => {
    const before = await row()
    // Held where its transaction has begun and has locked nothing yet.
    const claim = toMysql.trap('SKIP LOCKED', 'hold-before')
    owner.freeze()
    await storeNext(partition, late)
    await claim.sprung
    const back = await storeNext(partition, owner)
    owner.wake()
    await broadcast(back)
    await until(async () => (await row()).generation === back.generation)
    await expectRefusal(claim, before)
  })

  it('finds it taken by its owner, who had let go of it and has claimed it again', async () => {
    const before = await row()
    const claim = toMysql.trap('SKIP LOCKED', 'hold-before')
    await broadcast(await storeNext(partition, late))
    await claim.sprung
    await until(async () => (await owner.count('frontrow_partition_moves_total{how="released"}')) > released)
    await broadcast(await storeNext(partition, owner))
    await until(async () => (await row()).epoch === before.epoch + 1)
    await expectRefusal(claim, { ...before, epoch: before.epoch + 1 })
  })
})
