import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { PageAsset, PageAssetSource } from '../openapi/page-assets.ts'

/**
 * The documentation page's files: from a folder `swagger-ui` beside this file, where a bundle without node_modules brings
 * them along, or from the package. Undefined where neither is there. Read once.
 */
export function nodeDocsAsset(): PageAssetSource | undefined {
  const folder = [join(import.meta.dirname, 'swagger-ui'), packageFolder()].find(
    (each) => each !== undefined && existsSync(join(each, 'swagger-ui.css')),
  )
  if (folder === undefined) return undefined
  const known = new Map<PageAsset, Promise<Uint8Array<ArrayBuffer>>>()
  return (name) => {
    let content = known.get(name)
    if (content === undefined) known.set(name, (content = readFile(join(folder, name))))
    return content
  }
}

function packageFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  } catch {
    return undefined
  }
}
