/** What the place where the application runs can do beyond answering one request. */
export interface Platform {
  readonly name: 'node' | 'lambda' | 'workers'
  /**
   * Whether the process lives on after an answer and serves many requests at once. Only there can requests share a
   * subscription, can an answer go on as a stream of events, and do figures of the process mean anything.
   */
  readonly longLived: boolean
}

export const platforms = {
  node: { name: 'node', longLived: true },
  lambda: { name: 'lambda', longLived: false },
  workers: { name: 'workers', longLived: false },
} as const satisfies Record<Platform['name'], Platform>
