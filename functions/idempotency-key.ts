/**
 * The header of draft-ietf-httpapi-idempotency-key-header-07: a structured-field string (RFC 8941, section 3.3.3) in
 * quotes. Many clients send the bare value, which means the same key.
 */
export type IdempotencyKey =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed' }

/** 1 to 255 visible ASCII characters. A space is none: two headers of that name arrive joined by comma and space. */
const KEY = /^[\x21-\x7e]{1,255}$/
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/

export function parseIdempotencyKey(header: string | undefined): IdempotencyKey {
  if (header === undefined || header === '') return { kind: 'missing' }
  const key = header.startsWith('"') ? QUOTED.exec(header)?.[1]?.replaceAll(/\\(.)/g, '$1') : header
  return key !== undefined && KEY.test(key) ? { kind: 'key', key } : { kind: 'malformed' }
}
