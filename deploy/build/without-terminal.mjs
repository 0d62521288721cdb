/**
 * Stands in for `tty`, which Cloudflare's runtime does not have and `debug` asks for: there is no terminal.
 *
 * @type {import('esbuild').Plugin}
 */
export const withoutTerminal = {
  name: 'without-terminal',
  setup(build) {
    build.onResolve({ filter: /^(node:)?(tty|process)$/ }, ({ path }) => ({
      path,
      namespace: 'without-terminal',
    }))
    build.onLoad({ filter: /.*/, namespace: 'without-terminal' }, ({ path }) => ({
      contents: path.includes('process')
        ? 'module.exports = globalThis.process'
        : 'export const isatty = () => false',
      loader: 'js',
    }))
  },
}
