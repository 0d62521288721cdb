import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { errorFields, type Log } from '../shared/log.ts'
import { READ_BLOCK_MS } from '../shared/redis/connect.ts'
import { seatChangeSchema, type SeatChange } from '../shared/seat-changes.ts'
import { eventText, frame, type EventStream } from './event-stream.ts'

/** Batches read at once. */
const READ_COUNT = 100
/** Batches that a client may have missed and still be told of one by one. */
const MAX_MISSED = 512
const RETRY_MS = 250

const changesSchema = z.array(seatChangeSchema)

/** An entry of a shard's stream of seat changes. */
interface Told {
  readonly id: string
  readonly prev: string
  /** Undefined: something was missed. */
  readonly changes: readonly SeatChange[] | undefined
}

interface Watcher {
  readonly performanceId: string
  readonly stream: EventStream
  /** What happened while it was told what it had missed before. */
  held: Uint8Array<ArrayBuffer>[] | undefined
}

/**
 * Follows one shard's seat changes for all who watch one of its performances. Each entry names the one before it: whoever
 * does not know that one has missed something (trimmed, lost with a failover, never told) and loads the seat map anew.
 */
export class ShardFeed {
  private readonly key: string
  private readonly reader: Redis
  private readonly log: Log
  private readonly watchers = new Map<EventStream, Watcher>()
  /** Id of the newest entry that was passed on. */
  private at: string
  private ended = false

  /**
   * @param reader a client of the role `read`, for this alone
   * @param at id of the newest entry, or 0-0
   */
  constructor(key: string, reader: Redis, at: string, log: Log) {
    this.key = key
    this.reader = reader
    this.at = at
    this.log = log
  }

  /** Reads until it is ended. */
  async run(): Promise<void> {
    while (!this.ended) {
      try {
        const reply = await this.reader.xread(
          'COUNT',
          READ_COUNT,
          'BLOCK',
          READ_BLOCK_MS,
          'STREAMS',
          this.key,
          this.at,
        )
        const entries = reply?.[0]?.[1] ?? []
        for (const [id, fields] of entries) this.pass(toldOf(id, fields))
        if (entries.length === 0) await this.lookBack()
      } catch (error) {
        this.log.debug(errorFields(error), 'seat changes cannot be read')
        await sleep(RETRY_MS)
      }
    }
  }

  /**
   * Begins to tell a client, from where it was or from now on.
   *
   * @param redis a client that may read beside the blocking one
   * @throws if Redis does not answer
   */
  async add(
    performanceId: string,
    stream: EventStream,
    lastEventId: string | undefined,
    redis: Redis,
  ): Promise<void> {
    // Its client may have gone meanwhile, and then nobody will take it out again.
    if (!stream.isOpen) return
    const joinedAt = this.at
    const watcher: Watcher = { performanceId, stream, held: [] }
    this.watchers.set(stream, watcher)
    const missed = await missedBetween(redis, this.key, lastEventId, joinedAt)
    const text = missed?.map((told) => textOf(told, performanceId)).join('') ?? resetText(joinedAt)
    stream.write(frame(`retry: ${RETRY_MS * 4}\n${positionText(joinedAt)}${text}`))
    for (const bytes of watcher.held ?? []) stream.write(bytes)
    watcher.held = undefined
  }

  remove(stream: EventStream): void {
    this.watchers.delete(stream)
  }

  /** Shows that the connection lives, and where a client is by now. */
  beat(): void {
    const bytes = frame(positionText(this.at))
    for (const watcher of this.watchers.values()) if (watcher.held === undefined) watcher.stream.write(bytes)
  }

  end(): void {
    this.ended = true
    this.reader.disconnect()
    for (const stream of [...this.watchers.keys()]) stream.close()
  }

  /**
   * A Redis that lost the stream while its clock went back gives its entries ids that lie behind where this feed stands:
   * it would not hear of them until the clock has caught up. An empty stream says nothing: quiet ones expire.
   */
  private async lookBack(): Promise<void> {
    const [newest] = await this.reader.xrevrange(this.key, this.at, '-', 'COUNT', 1)
    if (newest === undefined || newest[0] === this.at) return
    this.at = newest[0]
    this.tell(() => resetText(this.at))
  }

  private pass(told: Told): void {
    const follows = told.prev === this.at
    this.at = told.id
    this.tell((performanceId) => (follows ? textOf(told, performanceId) : resetText(told.id)))
  }

  private tell(textFor: (performanceId: string) => string): void {
    // Written once for all who watch the same performance.
    const frames = new Map<string, Uint8Array<ArrayBuffer> | undefined>()
    for (const watcher of [...this.watchers.values()]) {
      const { performanceId } = watcher
      if (!frames.has(performanceId)) {
        const text = textFor(performanceId)
        frames.set(performanceId, text === '' ? undefined : frame(text))
      }
      const bytes = frames.get(performanceId)
      if (bytes === undefined) continue
      if (watcher.held === undefined) watcher.stream.write(bytes)
      else watcher.held.push(bytes)
    }
  }
}

/** Stands for the entry before the first. */
const NO_ENTRY = '0-0'

/** Id of the newest entry of a shard's seat changes; 0-0 if there is none. @throws if Redis does not answer */
export async function newestId(redis: Redis, key: string): Promise<string> {
  const [newest] = await redis.xrevrange(key, '+', '-', 'COUNT', 1)
  return newest?.[0] ?? NO_ENTRY
}

const ENTRY_ID = /^\d{1,16}-\d{1,10}$/

/** What was told behind one entry and up to another; undefined if that cannot be said without a gap. */
async function missedBetween(
  redis: Redis,
  key: string,
  from: string | undefined,
  to: string,
): Promise<readonly Told[] | undefined> {
  // From an empty stream on: one that has been emptied since looks the same.
  if (from === undefined || from === NO_ENTRY || !ENTRY_ID.test(from)) return undefined
  if (from === to) return []
  const entries = await redis.xrange(key, `(${from}`, to, 'COUNT', MAX_MISSED)
  const missed = entries.map(([id, fields]) => toldOf(id, fields))
  const isChain = missed.every(({ prev }, i) => prev === (missed[i - 1]?.id ?? from))
  return isChain && missed.at(-1)?.id === to ? missed : undefined
}

function toldOf(id: string, fields: readonly string[]): Told {
  const field = (name: string): string | undefined => {
    const at = fields.indexOf(name)
    return at < 0 ? undefined : fields[at + 1]
  }
  return {
    id,
    prev: field('prev') ?? '',
    changes: field('gap') === undefined ? parse(field('changes')) : undefined,
  }
}

function parse(json: string | undefined): readonly SeatChange[] | undefined {
  try {
    return changesSchema.safeParse(JSON.parse(json ?? '')).data
  } catch {
    return undefined
  }
}

/** The events of one entry for one performance; the last carries the id, because nobody resumes in the middle. */
function textOf({ id, changes }: Told, performanceId: string): string {
  if (changes === undefined) return resetText(id)
  const events = changes
    .filter((change) => change.performanceId === performanceId)
    .flatMap(({ sectionId, freed, taken }) => [
      { type: 'freed', data: { sectionId, seatIds: freed } },
      { type: 'taken', data: { sectionId, seatIds: taken } },
    ])
    .filter(({ data }) => data.seatIds.length > 0)
  return events
    .map(({ type, data }, i) =>
      eventText({ type, data: JSON.stringify(data), ...(i === events.length - 1 ? { id } : {}) }),
    )
    .join('')
}

function resetText(id: string): string {
  return eventText({ type: 'reset', data: '{}', id })
}

/** No event: only moves the id that a client comes back with. The comment is for what does not know ids. */
function positionText(id: string): string {
  return `: \nid: ${id}\n\n`
}
