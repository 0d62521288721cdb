import { messageOf } from '../deploy/local/setup-error.ts'
import { Act } from './act.ts'
import type { Measured } from './row.ts'
import type { Houses, Row, Size } from './rows/scene.ts'
import type { Shutdown } from '../deploy/local/shutdown.ts'
import type { Stage } from './stage.ts'

export interface Setting {
  readonly stage: Stage
  readonly size: Size
  readonly houses: Houses
}

/** Undefined if it was interrupted. A row that fails says so, and the others are measured all the same. */
export async function measureRow(
  name: string,
  row: Row,
  { stage, size, houses }: Setting,
  shutdown: Shutdown,
): Promise<Measured | undefined> {
  if (shutdown.isAsked()) return undefined
  const act = await Act.begin(stage, name)
  try {
    const result = row({ act, size, houses })
    // Interrupted, it fails as its processes end.
    result.catch(() => undefined)
    const measured = await Promise.race([result, shutdown.asked.then(() => undefined)])
    return measured && { row: name, ...measured }
  } catch (error) {
    return { row: name, count: 0, seconds: 0, cpuUs: {}, wrong: [messageOf(error)] }
  } finally {
    await act.end()
  }
}

const SHOWN_FINDINGS = 3

/** One row in one line, as progress. */
export function lineOf({ row, count, seconds, cpuUs, latencyMs, figures = {}, wrong }: Measured): string {
  const rate = seconds > 0 ? Math.round(count / seconds) : 0
  const cost = Object.entries(cpuUs).map(([role, us]) => `${role} ${us.toFixed(0)}`)
  const own = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`)
  return [
    `${row.padEnd(28)}${String(rate).padStart(7)}/s`,
    `${String(count).padStart(7)} in ${seconds.toFixed(2)} s`,
    ...(latencyMs === undefined ? [] : [`p50 ${fixed(latencyMs['p50'])} p99 ${fixed(latencyMs['p99'])} ms`]),
    `µs: ${cost.join(' ')}`,
    ...(own.length === 0 ? [] : [own.join(' ')]),
    ...(wrong.length === 0 ? [] : [`FAILED (${wrong.length}): ${wrong.slice(0, SHOWN_FINDINGS).join('; ')}`]),
  ].join('  ')
}

const fixed = (ms: number | undefined): string => (ms ?? 0).toFixed(1)
