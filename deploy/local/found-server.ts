import type { PrivateServer } from './private-server.ts'

export interface FindOptions {
  /** Where data, passwords and logs of servers that we start are kept. */
  readonly dataDir: string
  /** Whether packages of the system may be installed. */
  readonly allowInstall: boolean
  /** Whether a second start is to find the data of the first. */
  readonly keepData: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: (line: string) => void
}

/** One server found or started. */
export interface FoundServer {
  readonly url: string
  readonly description: string
  /** Present if it is a process of ours on this machine. */
  readonly process?: PrivateServer
  stop(): Promise<void>
}
