/**
 * Leaves Knex's other dialects out of a bundle, and with them the drivers that they would ask for.
 *
 * @type {import('esbuild').Plugin}
 */
export const onlyMysql = {
  name: 'only-mysql',
  setup(build) {
    // The mysql2 dialect extends that of mysql.
    const kept = /[\\/]knex[\\/]lib[\\/]dialects[\\/](index\.js$|mysql2?[\\/])/
    const nothing = { contents: 'module.exports = {}', loader: 'js' }
    build.onLoad({ filter: /[\\/]knex[\\/]lib[\\/]dialects[\\/]/ }, ({ path }) =>
      kept.test(path) ? undefined : nothing,
    )
    // Its driver is not asked for, because the mysql2 dialect has its own.
    build.onResolve({ filter: /^mysql$/ }, ({ path }) => ({ path, namespace: 'only-mysql' }))
    build.onLoad({ filter: /.*/, namespace: 'only-mysql' }, () => nothing)
  },
}
