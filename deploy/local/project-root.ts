import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The checkout. This file runs from its own place under the test runner and from dist/ as a bundle. */
export function projectRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}
