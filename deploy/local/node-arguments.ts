/**
 * How Node is to run the bundles; the images say the same in `NODE_OPTIONS`. What a request or a batch leaves behind lives
 * for as long as Redis or MySQL take, which is longer than it takes to fill V8's usual 16 MB for young objects: most of it
 * would be moved to where only the expensive collector looks.
 */
export const NODE_ARGUMENTS = ['--enable-source-maps', '--max-semi-space-size=32'] as const
