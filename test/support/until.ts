import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until something holds. @throws after `timeoutMs` */
export async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited for ${timeoutMs} ms in vain`)
    await sleep(20)
  }
}
