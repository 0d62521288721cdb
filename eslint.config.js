import eslint from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** The pure parts get clock, randomness and timers handed in (ARCHITECTURE.md, "Rooms"). */
const pureParts = [
  'consumer/decide.ts',
  'consumer/decide-batch.ts',
  'consumer/section-state.ts',
  'consumer/parse-entry.ts',
  'consumer/audit/replay.ts',
  'shared/placement.ts',
  'shared/commands.ts',
  'shared/outcomes.ts',
  'shared/request-id.ts',
  'shared/ring/*.ts',
  ...['protocol', 'partition-map', 'failure-detector', 'holdings', 'rebalancing', 'member'].map(
    (name) => `shared/rebalance/${name}.ts`,
  ),
]

const ambient = (name, message) => ({ name, message })
const handedIn = 'Pure code gets this handed in.'

export default defineConfig(
  globalIgnores(['dist/', '.local/', 'node_modules/', 'coverage/', 'test/contract/client/']),
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    // The command line speaks to people, and on Workers the console is the log; everything else speaks through the log.
    files: [
      'cli/**',
      'deploy/**',
      'bench/**',
      'test/**',
      'migrations/cli.ts',
      'functions/adapters/workers.ts',
    ],
    rules: { 'no-console': 'off' },
  },
  {
    files: pureParts,
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval', 'setImmediate', 'process', 'performance', 'fetch'].map((name) =>
          ambient(name, handedIn),
        ),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: handedIn },
        { object: 'Math', property: 'random', message: handedIn },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', module: 'writable' },
    },
  },
)
