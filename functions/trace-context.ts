/**
 * `traceparent` of W3C Trace Context (section 3.2). A version that is newer than ours may carry more behind the flags;
 * what is handed on is then in ours.
 */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
/** What no tracer writes is not worth matching. */
const MAX_LENGTH = 512

/** The header as it is taken along to the consumer; undefined if there is none that makes sense, which harms nobody. */
export function parseTraceparent(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MAX_LENGTH) return undefined
  const [, version, traceId = '', parentId = '', flags = '', more] = TRACEPARENT.exec(header) ?? []
  if (version === undefined || (version === '00' && more !== undefined)) return undefined
  return `00-${traceId}-${parentId}-${flags}`
}
