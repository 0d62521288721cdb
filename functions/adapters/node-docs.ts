import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PageAsset, PageAssetSource } from '../openapi/page-assets.ts'

/**
 * The documentation page's files, from the folder `swagger-ui` that the build puts beside the bundle. Undefined where it
 * was left behind. Read once.
 */
export function nodeDocsAsset(): PageAssetSource | undefined {
  const folder = join(import.meta.dirname, 'swagger-ui')
  if (!existsSync(folder)) return undefined
  const known = new Map<PageAsset, Promise<Uint8Array<ArrayBuffer>>>()
  return (name) => {
    let content = known.get(name)
    if (content === undefined) {
      known.set(name, (content = readFile(join(folder, name))))
      // Too many open files, for a moment: the next one tries again.
      content.catch(() => known.delete(name))
    }
    return content
  }
}
