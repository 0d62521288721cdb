/** What the place where the application runs can do beyond answering one request. */
export interface Platform {
  readonly name: 'node' | 'lambda' | 'workers'
  /**
   * Whether the process lives on after an answer and serves many requests at once. Only there can requests share a
   * subscription, can an answer go on as a stream of events, and do figures of the process mean anything.
   */
  readonly longLived: boolean
  /** Whether files lie beside the bundle: those of the documentation page, without which there is none. */
  readonly hasFiles: boolean
}

export const platforms = {
  node: { name: 'node', longLived: true, hasFiles: true },
  lambda: { name: 'lambda', longLived: false, hasFiles: true },
  workers: { name: 'workers', longLived: false, hasFiles: false },
} as const satisfies Record<Platform['name'], Platform>
