import { readFileSync } from 'node:fs'

/** Processor seconds of a process so far, all threads; undefined where there is no /proc. */
function processorSeconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in brackets, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return undefined
  }
}

/** Linux counts in hundredths for programs, whatever the kernel's own clock does. */
const TICKS_PER_SECOND = 100

/** Largest resident memory of a process so far, in MB (10^6 bytes); undefined where there is no /proc. */
export function peakMemoryMb(pid: number): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? undefined : (Number(kibibytes) * 1_024) / 1e6
  } catch {
    return undefined
  }
}

/** Measures what the processes of each role use from now on. Ended processes no longer count: stop them afterwards. */
export class ProcessorClock {
  readonly #pids: ReadonlyMap<string, readonly number[]>
  readonly #before: ReadonlyMap<number, number | undefined>

  constructor(pids: ReadonlyMap<string, readonly number[]>) {
    this.#pids = pids
    this.#before = new Map([...pids.values()].flat().map((pid) => [pid, processorSeconds(pid)]))
  }

  /** Microseconds for each of `count`, by role. */
  each(count: number): Record<string, number> {
    const costs: Record<string, number> = {}
    for (const [role, pids] of this.#pids) {
      let seconds: number | undefined = 0
      for (const pid of pids) {
        const [before, after] = [this.#before.get(pid), processorSeconds(pid)]
        seconds =
          seconds === undefined || before === undefined || after === undefined
            ? undefined
            : seconds + after - before
      }
      if (seconds !== undefined) costs[role] = (seconds * 1e6) / Math.max(1, count)
    }
    return costs
  }
}
