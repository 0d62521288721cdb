/** Lua scripts are imported as text: by esbuild's text loader in bundles, by a plugin of vitest.config.ts in tests. */
declare module '*.lua' {
  const source: string
  export default source
}
