import { isBuiltin } from 'node:module'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { onlyMysql } from './build/only-mysql.mjs'
import { ownMap } from './build/own-map.mjs'
import { workersStandIns } from './build/workers-stand-ins.mjs'

const root = join(import.meta.dirname, '..')

/** What is deployed, bundle → entry. Each is one file that starts alone, without node_modules. */
const programs = {
  functions: 'functions/adapters/node.ts',
  // A folder of its own: it is uploaded whole.
  'lambda/index': 'functions/adapters/lambda.ts',
  consumer: 'consumer/main.ts',
  migrate: 'migrations/cli.ts',
  frontrow: 'cli/frontrow.ts',
}

/** The same for Cloudflare's runtime, which is not Node. */
const workers = { workers: 'functions/adapters/workers.ts' }

/** What belongs to a checkout and finds its packages there. */
const tools = {
  start: 'deploy/local/start.ts',
  test: 'deploy/local/test.ts',
  bench: 'bench/bench.ts',
  'bench-long': 'bench/long.ts',
  'bench-load': 'bench/load/main.ts',
  'bench-bare': 'bench/limits/bare-server.ts',
  'bench-plain-drain': 'bench/limits/plain-drain.ts',
  ring: 'bench/ring.ts',
  'bench-peer': 'bench/peer-server.ts',
  'bench-peer-worker': 'bench/peer-worker.ts',
  faults: 'test/faults/run.ts',
  simulate: 'test/simulation/run.ts',
}

/** The bundle that package.json offers as a command. A shebang in the source would be kept by itself. */
const command = 'frontrow'
const shebang = '#!/usr/bin/env node'

const common = {
  absWorkingDir: root,
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  loader: { '.lua': 'text' },
  logLevel: 'error',
  write: false,
  metafile: true,
}

const alone = {
  ...common,
  // Not the names: ioredis tells errors apart by those of their classes.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // A third of the bytes of a map are the sources, which a stack trace does not need.
  sourcesContent: false,
  plugins: [onlyMysql],
  // Packages of the older module format ask for Node's own modules by `require`.
  banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
}

const builds = [
  { ...alone, entryPoints: programs },
  {
    ...alone,
    entryPoints: workers,
    plugins: [onlyMysql, workersStandIns],
    // A module there has no place to be required from.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire('/');" },
  },
  { ...common, entryPoints: tools, packages: 'external' },
]

/**
 * Bundles every entry into dist/ and answers with the files.
 *
 * @throws esbuild's error, which names file and line
 */
export async function buildAll() {
  const built = await Promise.all(builds.map(buildOne))
  const files = built.flatMap(({ outputFiles }) => outputFiles)
  for (const { path, text } of files) writeIfChanged(path, path.endsWith('.map') ? ownMap(text) : text)
  copyDocs()
  return files.map(({ path, contents }) => ({ path, bytes: contents.byteLength }))
}

/** The documentation page's files, beside the bundles that serve them. */
function copyDocs() {
  for (const folder of ['dist', 'dist/lambda']) {
    const beside = join(root, folder, 'swagger-ui')
    mkdirSync(beside, { recursive: true })
    for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
      const [from, to] = [join(root, 'node_modules', 'swagger-ui-dist', name), join(beside, name)]
      writeIfChanged(to, readFileSync(from, 'utf8'))
    }
  }
}

/** Asked for within `try`: mysql2 colours its debugging output if it can. */
const optional = new Set(['cardinal'])

async function buildOne(options) {
  const result = await build(options)
  if (options.packages !== 'external') mustBeAlone(result.metafile)
  return result
}

/** What is not Node's own and was left outside would be missed only when it is asked for: perhaps never in a test. */
function mustBeAlone({ inputs }) {
  for (const [file, { imports }] of Object.entries(inputs)) {
    const missing = imports.find(
      ({ external, path }) => external && path !== '<runtime>' && !isBuiltin(path) && !optional.has(path),
    )
    if (missing !== undefined) throw new Error(`${file} asks for ${missing.path}, which no bundle has`)
  }
}

/** Processes of a running `npm start` may be loading a bundle: unchanged ones stay, changed ones are swapped whole. */
function writeIfChanged(path, text) {
  const isCommand = path === join(root, 'dist', `${command}.mjs`)
  const content = isCommand && !text.startsWith('#!') ? `${shebang}\n${text}` : text
  if (existsSync(path) && readFileSync(path, 'utf8') === content) return
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, content, { mode: isCommand ? 0o755 : 0o644 })
  renameSync(draft, path)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const deployed = new Set([...Object.keys(programs), ...Object.keys(workers)].map((name) => `${name}.mjs`))
  for (const { path, bytes } of await buildAll()) {
    const name = relative(join(root, 'dist'), path)
    if (deployed.has(name)) console.log(`${String(Math.round(bytes / 1_024)).padStart(6)} KB  dist/${name}`)
  }
}
