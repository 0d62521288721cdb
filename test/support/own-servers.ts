import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findMysql, startMysql } from '../../deploy/local/mysql-server.ts'
import type { PrivateServer } from '../../deploy/local/private-server.ts'
import { projectRoot } from '../../deploy/local/project-root.ts'
import { findRedis, startRedis } from '../../deploy/local/redis-server.ts'
import { testFolder } from '../../deploy/local/test-folders.ts'

/** Servers that are killed must be a test's own, and processes of this machine. */
export function canHaveOwnServers(): boolean {
  return findRedis() !== undefined && findMysql() !== undefined
}

/** A folder of a test's own, in the one that is cleared away after this process. */
export function ownFolder(): string {
  const folder = join(testFolder(join(projectRoot(), '.local'), process.pid), randomBytes(4).toString('hex'))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** A Redis that can be killed, and given back an earlier state of its own. */
export class OwnRedis {
  readonly server: PrivateServer
  private readonly dir: string

  private constructor(server: PrivateServer, dir: string) {
    this.server = server
    this.dir = dir
  }

  static async start(folder: string): Promise<OwnRedis> {
    const dir = join(folder, 'redis')
    // The append-only file is never rewritten, so that a copy of it is a state that Redis really had.
    const server = await startRedis({ dir, extraArgs: ['--auto-aof-rewrite-percentage', '0'] })
    return new OwnRedis(server, dir)
  }

  /** Keeps what Redis knows now, as a replica would that hears nothing from now on. */
  copy(): { promote(): Promise<void>; forget(): void } {
    const kept = join(this.dir, `copy-${randomBytes(4).toString('hex')}`)
    const present = join(this.dir, 'data', 'appendonlydir')
    cpSync(present, kept, { recursive: true })
    return {
      /** Replaces Redis by the copy, at the same address. */
      promote: async () => {
        await this.server.kill()
        rmSync(present, { recursive: true })
        cpSync(kept, present, { recursive: true })
        await this.server.start()
      },
      forget: () => {
        rmSync(kept, { recursive: true, force: true })
      },
    }
  }
}

export async function startOwnMysql(folder: string): Promise<PrivateServer> {
  return startMysql({ dir: join(folder, 'mysql') })
}
