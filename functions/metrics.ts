import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What a booking or cancel was answered, as the accept scripts and the connection to Redis tell it. */
export type AcceptAnswer =
  'accepted' | 'known' | 'mismatch' | 'rate' | 'taken' | 'memory' | 'backlog' | 'unavailable' | 'unknown'

export interface Metrics {
  countAccept(command: 'book' | 'cancel', answer: AcceptAnswer): void
  observeExchange(method: string, route: string, status: number, ms: number): void
  /** How many hold a connection open, read whenever the text is. */
  gauge(name: 'frontrow_waiters' | 'frontrow_event_streams', help: string, count: () => number): void
  /** The text that Prometheus scrapes. */
  text(): Promise<string>
  readonly contentType: string
}

type Child = Histogram.Internal<'method' | 'route' | 'status'>

/**
 * Metrics of this server, in a registry of their own: two servers in one process do not mix.
 *
 * @param options.ofProcess with those of the process: memory, processor time, event loop
 */
export function createMetrics({ ofProcess }: { readonly ofProcess: boolean }): Metrics {
  const registry = new Registry()
  if (ofProcess) collectDefaultMetrics({ register: registry })
  const accepts = new Counter({
    name: 'frontrow_accepts_total',
    help: 'Bookings and cancels by what they were answered',
    labelNames: ['command', 'answer'],
    registers: [registry],
  })
  const exchanges = new Histogram({
    name: 'frontrow_http_request_duration_seconds',
    help: 'HTTP exchanges by route pattern and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  // Finding a labelled child costs more than raising it: each is found once. Routes, methods and statuses are few.
  const children = new Map<string, Map<string, Map<number, Child>>>()
  const childOf = (method: string, route: string, status: number): Child => {
    let methods = children.get(route)
    if (methods === undefined) children.set(route, (methods = new Map<string, Map<number, Child>>()))
    let statuses = methods.get(method)
    if (statuses === undefined) methods.set(method, (statuses = new Map<number, Child>()))
    let child = statuses.get(status)
    if (child === undefined) statuses.set(status, (child = exchanges.labels(method, route, String(status))))
    return child
  }
  return {
    countAccept(command, answer) {
      accepts.inc({ command, answer })
    },
    observeExchange(method, route, status, ms) {
      childOf(method, route, status).observe(ms / 1_000)
    },
    gauge(name, help, count) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        registers: [registry],
        collect: () => {
          gauge.set(count())
        },
      })
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
