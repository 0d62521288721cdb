/** Each as an expression that matches its path. */
const pureParts = require('./pure-parts.json')
  .map((path) => path.replace(/\./g, '\\.'))
  .join('|')

/** One direction: functions → shared ← consumer. @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      // Processes of their own, and what is loaded into one.
      from: {
        orphan: true,
        pathNot: [
          '\\.d\\.ts$',
          '\\.test\\.ts$',
          '^migrations/',
          '^test/support/block-loop\\.mjs$',
          '/lambda-runtime\\.mjs$',
        ],
      },
      to: {},
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '\\.lua$' } },
    {
      name: 'functions-know-only-shared',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: '^(consumer|migrations|deploy|cli|test|bench)/' },
    },
    {
      name: 'consumer-knows-only-shared',
      severity: 'error',
      from: { path: '^consumer/' },
      to: { path: '^(functions|migrations|deploy|cli|test|bench)/' },
    },
    {
      name: 'shared-knows-nobody',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(functions|consumer|migrations|deploy|cli|test|bench)/' },
    },
    {
      name: 'product-does-not-know-its-tests',
      severity: 'error',
      from: { path: '^(functions|consumer|shared|migrations|deploy|cli)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'pure-parts-import-only-each-other',
      comment: 'node:crypto is allowed: hashing is a function of its input.',
      severity: 'error',
      from: {
        path: `^(${pureParts})$`,
      },
      to: {
        pathNot: `^(${pureParts})$|^node_modules/zod|crypto$`,
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
