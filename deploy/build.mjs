import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')

/** Bundle → its entry. Packages stay outside: images and checkouts bring node_modules along. */
const entries = {
  functions: 'functions/adapters/node.ts',
  consumer: 'consumer/main.ts',
  frontrow: 'cli/frontrow.ts',
  migrate: 'migrations/cli.ts',
  knexfile: 'migrations/knexfile.ts',
  start: 'deploy/local/start.ts',
  test: 'deploy/local/test.ts',
  throughput: 'bench/throughput.ts',
  ring: 'bench/ring.ts',
  faults: 'test/faults/run.ts',
  simulate: 'test/simulation/run.ts',
}

/** The bundle that package.json offers as a command. A shebang in the source would be kept by itself. */
const command = 'frontrow'
const shebang = '#!/usr/bin/env node'

/**
 * Bundles every entry that exists into dist/ and answers with the names.
 *
 * @throws esbuild's error, which names file and line
 */
export async function buildAll() {
  const present = Object.entries(entries).filter(([, source]) => existsSync(join(root, source)))
  const built = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(present),
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    loader: { '.lua': 'text' },
    logLevel: 'error',
    write: false,
  })
  for (const file of built.outputFiles) writeIfChanged(file.path, file.text)
  return present.map(([name]) => name)
}

/** Processes of a running `npm start` may be loading a bundle: unchanged ones stay, changed ones are swapped whole. */
function writeIfChanged(path, text) {
  const isCommand = path === join(root, 'dist', `${command}.js`)
  const content = isCommand && !text.startsWith('#!') ? `${shebang}\n${text}` : text
  if (existsSync(path) && readFileSync(path, 'utf8') === content) return
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, content, { mode: isCommand ? 0o755 : 0o644 })
  renameSync(draft, path)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await buildAll()
