import { describe, expect, it } from 'vitest'
import { headerOf, memberOf, ResponseReader } from './response-reader.ts'

const LENGTH =
  'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"a":"b","c"}'
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'
const EMPTY = 'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n'

/** All answers of a text that arrives in pieces of so many bytes. */
function readInPieces(text: string, bytes: number): string[] {
  const reader = new ResponseReader()
  const answers: string[] = []
  const all = Buffer.from(text, 'latin1')
  for (let from = 0; from < all.length; from += bytes) {
    const answer = reader.push(all.subarray(from, from + bytes))
    if (answer !== undefined) answers.push(`${answer.status} ${answer.body}`)
  }
  return answers
}

describe('an answer', () => {
  it.each([1, 2, 3, 7, 1_000])('is read with a length, in pieces of %i bytes', (bytes) => {
    expect(readInPieces(LENGTH, bytes)).toEqual(['202 {"a":"b","c"}'])
  })

  it.each([1, 2, 3, 7, 1_000])('is read in chunks, in pieces of %i bytes', (bytes) => {
    expect(readInPieces(CHUNKED, bytes)).toEqual(['200 hello world'])
  })

  it.each([1, 5, 1_000])('is read without a body, in pieces of %i bytes', (bytes) => {
    expect(readInPieces(EMPTY, bytes)).toEqual(['304 '])
  })

  it('is followed by the next on the same connection', () => {
    const reader = new ResponseReader()
    const read = (text: string): number | undefined => reader.push(Buffer.from(text))?.status
    expect([LENGTH, EMPTY, CHUNKED, LENGTH].map(read)).toEqual([202, 304, 200, 202])
  })

  it('is forgotten where its connection ended', () => {
    const reader = new ResponseReader()
    reader.push(Buffer.from(LENGTH.slice(0, 40)))
    reader.reset()
    expect(reader.push(Buffer.from(EMPTY))?.status).toBe(304)
  })
})

describe('parts of an answer', () => {
  it('finds a header however its name is written', () => {
    expect(headerOf('HTTP/1.1 200 OK\r\nETag: "1"\r\nX: y', 'etag')).toBe('"1"')
    expect(headerOf('HTTP/1.1 200 OK\r\nx: y', 'x')).toBe('y')
    expect(headerOf('HTTP/1.1 200 OK\r\nx: y', 'etag')).toBeUndefined()
  })

  it('finds a member of the body', () => {
    const body = '{"requestId":"00ff","status":"PENDING"}'
    expect([memberOf(body, 'requestId'), memberOf(body, 'status'), memberOf(body, 'reason')]).toEqual([
      '00ff',
      'PENDING',
      undefined,
    ])
  })
})
