import { connect } from 'node:net'

/** What a server answers, to its end, to bytes that no HTTP client would send. */
export function rawAnswer(url: string, ...chunks: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      for (const chunk of chunks) socket.write(chunk)
    })
    socket.on('data', (chunk) => {
      // Longer than any answer takes to come whole; a connection that is kept alive would stay for seconds.
      if (text === '') setTimeout(() => socket.destroy(), 500)
      text += chunk.toString()
    })
    socket.on('close', () => {
      resolve(text)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The server may have answered and gone while we were still sending.
      if (text !== '' || error.code === 'EPIPE' || error.code === 'ECONNRESET') resolve(text)
      else reject(error)
    })
  })
}
