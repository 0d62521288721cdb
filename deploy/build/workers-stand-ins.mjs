/**
 * Stands in for what the packages ask Node for and Cloudflare's runtime does not have, or not by that name: `tty`, which
 * `debug` asks whether there is a terminal, and `process`, which is there as a global.
 */
const standIns = {
  tty: 'exports.isatty = () => false',
  process: 'module.exports = globalThis.process',
}

/** @type {import('esbuild').Plugin} */
export const workersStandIns = {
  name: 'workers-stand-ins',
  setup(build) {
    build.onResolve({ filter: /^(node:)?(tty|process)$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'stand-in',
    }))
    build.onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({
      contents: standIns[path],
      loader: 'js',
    }))
  },
}
