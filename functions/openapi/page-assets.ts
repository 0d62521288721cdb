/** Files of swagger-ui-dist that the documentation page needs. Where they come from is the platform's business. */
export const pageAssets = ['swagger-ui.css', 'swagger-ui-bundle.js'] as const

export type PageAsset = (typeof pageAssets)[number]

/** Brings such a file; undefined where it is not there. */
export type PageAssetSource = (name: PageAsset) => Promise<Uint8Array<ArrayBuffer> | undefined>
