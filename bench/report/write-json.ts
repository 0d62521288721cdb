import { writeFileSync } from 'node:fs'
import type { Measured } from '../row.ts'
import type { Ratio } from './ratios.ts'
import type { Head } from './render-table.ts'
import type { Summary } from './summarize.ts'

/** Everything that was measured, and what was made of it: enough to draw the table and the plots again. */
export function writeJson(
  file: string,
  head: Head,
  measured: readonly Measured[],
  { rows }: Summary,
  ratios: readonly Ratio[],
): void {
  writeFileSync(file, `${JSON.stringify({ head, measured, rows, ratios }, undefined, 1)}\n`)
}
