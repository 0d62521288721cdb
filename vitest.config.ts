import { readFileSync } from 'node:fs'
import { defineConfig, type Plugin } from 'vitest/config'

/** Imports a Lua script as text, as esbuild's text loader does in the bundles. */
const luaAsText: Plugin = {
  name: 'lua-as-text',
  enforce: 'pre',
  load(id) {
    if (!id.endsWith('.lua')) return null
    return `export default ${JSON.stringify(readFileSync(id, 'utf8'))}`
  },
}

const rooms = '{functions,consumer,shared,migrations,deploy,cli,bench}'

const onServers = {
  globalSetup: ['test/support/global-setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 120_000,
}

export default defineConfig({
  plugins: [luaAsText],
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: [`${rooms}/**/*.test.ts`, 'test/support/**/*.test.ts'] },
      },
      {
        extends: true,
        test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 600_000 },
      },
      {
        extends: true,
        test: {
          ...onServers,
          name: 'integration',
          include: ['test/contract/{*,node/*}.test.ts', 'test/{integration,faults}/**/*.test.ts'],
          provide: { platform: 'node' },
        },
      },
      // What the contract says holds on every platform; a folder of its name has what only one platform does.
      ...(['lambda', 'workers'] as const).map((platform) => ({
        extends: true as const,
        test: {
          ...onServers,
          name: platform,
          // They wait more than they work; each file has a database and a Redis prefix of its own.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          include: [`test/contract/{*,${platform}/*}.test.ts`],
          provide: { platform },
        },
      })),
    ],
  },
})
