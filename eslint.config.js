import { readFileSync } from 'node:fs'
import eslint from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** The pure parts get clock, randomness and timers handed in (ARCHITECTURE.md, "Rooms"). The import rules have them from there too. */
const pureParts = JSON.parse(readFileSync(new URL('pure-parts.json', import.meta.url), 'utf8'))

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
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: handedIn },
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
