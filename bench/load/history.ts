import { createReadStream, createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/**
 * How far a request came, as its customer was told:
 * - `unsent`: gave up before a connection was free
 * - `unanswered`: the connection ended
 * - `refused`: 429 or 503, a clear no
 * - `taken`: another booking has its seats, said at once and stored nowhere
 * - `accepted`: 202, and no outcome asked for or known by the end
 * - an outcome
 * - `unexpected`: an answer that nobody expects
 */
const TOLD = [
  'unsent',
  'unanswered',
  'refused',
  'taken',
  'accepted',
  'CONFIRMED',
  'REJECTED',
  'CANCELLED',
  'unexpected',
] as const

export type Told = (typeof TOLD)[number]

/** What one request's customer was told. */
export interface Entry {
  readonly request: number
  readonly told: Told
  /** As the answers named it; '' if none did. */
  readonly requestId: string
}

/** Kept as one text a request while the load runs, written when it is over. */
export class History {
  readonly #lines: string[] = []

  note(request: number, told: Told, requestId: string): void {
    this.#lines.push(`${request} ${told} ${requestId}`)
  }

  async write(file: string): Promise<void> {
    const out = createWriteStream(file, { mode: 0o600 })
    const pieceLines = 10_000
    for (let from = 0; from < this.#lines.length; from += pieceLines) {
      const piece = this.#lines.slice(from, from + pieceLines).join('\n')
      if (!out.write(`${piece}\n`)) await once(out, 'drain')
    }
    out.end()
    await once(out, 'finish')
  }
}

export async function* readHistory(file: string): AsyncGenerator<Entry> {
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) {
    const [request = '', told = '', requestId = ''] = line.split(' ')
    yield { request: Number(request), told: toldOf(told), requestId }
  }
}

function toldOf(word: string): Told {
  const told = TOLD.find((known) => known === word)
  if (told === undefined) throw new Error(`a history cannot say ${word}`)
  return told
}
