/** The application on one of its platforms, from the bundle that ships, for a test that speaks HTTP to it. */
export interface Host {
  readonly url: string
  /** All that it has logged until now. */
  logged(): string
  stop(): Promise<void>
}

/** @param environment all of its configuration */
export type StartHost = (environment: Readonly<Record<string, string>>) => Promise<Host>
