import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GenericContainer, getContainerRuntimeClient, Wait, type StartedTestContainer } from 'testcontainers'
import type { FindOptions, FoundServer } from './found-server.ts'
import { DATABASE } from './mysql-server.ts'
import { redisDurability, redisRewriting } from './redis-server.ts'
import { secretFile } from './secret-file.ts'

/** Which folder's server a container is. A killed supervisor's containers are found again by it. */
const LABEL = 'frontrow.folder'
/** A file that says that the first start was completed. */
const MADE = 'made'
/** The first start pulls an image and initialises a database. */
const START_MS = 180_000

interface Recipe {
  readonly image: string
  readonly port: number
  readonly dataPath: string
  readonly prepare: (container: GenericContainer, password: string) => GenericContainer
  readonly url: (address: string, password: string) => string
}

const recipes: Record<'redis' | 'mysql', Recipe> = {
  redis: {
    image: 'redis:8',
    port: 6379,
    dataPath: '/data',
    prepare: (container, password) =>
      container
        .withCommand([
          'redis-server',
          ...redisDurability,
          ...redisRewriting,
          '--save',
          '',
          '--requirepass',
          password,
        ])
        .withWaitStrategy(Wait.forLogMessage('Ready to accept connections')),
    url: (address, password) => `redis://:${password}@${address}`,
  },
  mysql: {
    image: 'mysql:8.4',
    port: 3306,
    dataPath: '/var/lib/mysql',
    prepare: (container, password) =>
      container
        .withEnvironment({ MYSQL_ROOT_PASSWORD: password, MYSQL_DATABASE: DATABASE })
        .withCommand([
          'mysqld',
          '--skip-log-bin',
          '--skip-name-resolve',
          '--max-connections=400',
          '--performance-schema=OFF',
          '--mysqlx=OFF',
        ])
        // Its first start runs a server without a port before the real one.
        .withWaitStrategy(Wait.forLogMessage(/ready for connections.*port: 3306\b/)),
    // Tests make databases of their own, so it is the root account.
    url: (address, password) => `mysql://root:${password}@${address}/${DATABASE}`,
  },
}

/** @throws whatever the engine answers, such as that the image cannot be pulled */
export async function startContainer(kind: 'redis' | 'mysql', options: FindOptions): Promise<FoundServer> {
  const recipe = recipes[kind]
  const folder = join(options.dataDir, `docker-${kind}`)
  const password = secretFile(join(folder, 'password'))
  await removeContainers(folder)
  options.log(`Starting ${recipe.image} with Docker (the first time pulls the image) ...`)
  const base = new GenericContainer(recipe.image)
    .withExposedPorts(recipe.port)
    .withLabels({ [LABEL]: folder })
    .withStartupTimeout(START_MS)
    // What holds data to keep is stopped by us, in order; after a kill, at the next start.
    .withAutoCleanup(!options.keepData)
  if (options.keepData) base.withBindMounts([{ source: dataFolder(folder), target: recipe.dataPath }])
  const container = await recipe.prepare(base, password).start()
  if (options.keepData) writeFileSync(join(folder, MADE), '')
  const address = `${container.getHost()}:${container.getMappedPort(recipe.port)}`
  return {
    url: recipe.url(address, password),
    description: `${recipe.image} in Docker on ${address}`,
    stop: () => stopContainer(container),
  }
}

/** The first start makes the accounts. One that was interrupted leaves data without them, which is of no use. */
function dataFolder(folder: string): string {
  const data = join(folder, 'data')
  if (!existsSync(join(folder, MADE))) rmSync(data, { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  return data
}

async function stopContainer(container: StartedTestContainer): Promise<void> {
  await container.stop({ timeout: 20_000, remove: true, removeVolumes: true })
}

/** Two servers on the same data would ruin it: those that a killed supervisor left behind go first. */
async function removeContainers(folder: string): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container
  const left = await dockerode.listContainers({ all: true, filters: { label: [`${LABEL}=${folder}`] } })
  for (const { Id, State } of left) {
    const container = dockerode.getContainer(Id)
    if (State === 'running') await container.stop({ t: 20 })
    await container.remove({ v: true, force: true })
  }
}
