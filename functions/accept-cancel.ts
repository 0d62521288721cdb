import { commandId } from '../shared/commands.ts'
import { partitionOf } from '../shared/placement.ts'
import type { Ports } from './ports.ts'
import { runOnShard, type Run } from './run-on-shard.ts'

interface Cancelled {
  readonly requestId: string
  readonly customerId: string
  readonly performanceId: string
  readonly sectionId: string
}

/** Puts the cancelling of a booking on its section's stream, behind the booking itself. */
export function acceptCancel(
  ports: Ports,
  booking: Cancelled,
  traceparent: string | undefined,
): Promise<Run> {
  const { requestId, customerId, performanceId, sectionId } = booking
  const cancelId = commandId({ kind: 'cancel', requestId })
  // JSON without its braces: the script adds the time.
  const common = JSON.stringify({ customerId, performanceId, sectionId }).slice(1, -1)
  const trace = traceparent === undefined ? '' : `,"traceparent":"${traceparent}"`
  return runOnShard(ports, ({ topology, keys, mark }) => {
    const partition = partitionOf(topology, performanceId, sectionId)
    return ports.scripts.acceptCancel(
      [
        keys.topology(partition.shard),
        keys.pressure(partition.shard),
        keys.record(cancelId),
        keys.stream(partition),
      ],
      [mark, cancelId, `${common},"topologyVersion":${topology.version}${trace}`, ports.limits.backlogCap],
    )
  })
}
