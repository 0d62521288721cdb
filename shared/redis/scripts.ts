import type { Redis } from 'ioredis'
import acceptBookings from './scripts/accept-bookings.lua'
import acceptCancel from './scripts/accept-cancel.lua'
import broadcastMap from './scripts/broadcast-map.lua'
import heartbeat from './scripts/heartbeat.lua'
import awaitOutcome from './scripts/await-outcome.lua'
import measureStreams from './scripts/measure-streams.lua'
import publishSeats from './scripts/publish-seats.lua'
import settle from './scripts/settle.lua'

type Arguments = readonly (string | number)[]

/** Our scripts as commands of a client; each file in scripts/ says its keys, arguments and answers. */
export interface Scripts {
  acceptBookings(
    keys: Arguments,
    args: Arguments,
  ): Promise<readonly (string | readonly (string | number)[])[]>
  acceptCancel(keys: Arguments, args: Arguments): Promise<readonly (string | number)[]>
  heartbeat(keys: Arguments, args: Arguments): Promise<readonly string[]>
  broadcastMap(keys: Arguments, args: Arguments): Promise<string>
  awaitOutcome(keys: Arguments, args: Arguments): Promise<readonly [status: string, outcome: string]>
  measureStreams(keys: Arguments, args: Arguments): Promise<readonly (number | string)[]>
  publishSeats(keys: Arguments, args: Arguments): Promise<number>
  settle(keys: Arguments, args: Arguments): Promise<number>
}

type Defined = Record<string, (...args: Arguments) => Promise<unknown>>

/** Teaches a client our scripts. Call once per client. */
export function defineScripts(redis: Redis): Scripts {
  const sources = {
    frontrowAcceptBookings: acceptBookings,
    frontrowAcceptCancel: acceptCancel,
    frontrowAwaitOutcome: awaitOutcome,
    frontrowMeasureStreams: measureStreams,
    frontrowPublishSeats: publishSeats,
    frontrowSettle: settle,
    frontrowHeartbeat: heartbeat,
    frontrowBroadcastMap: broadcastMap,
  }
  for (const [name, lua] of Object.entries(sources)) redis.defineCommand(name, { lua })
  // defineCommand adds methods that the class's type cannot know.
  const client = redis as unknown as Defined
  const run = (name: keyof typeof sources) => async (keys: Arguments, args: Arguments) =>
    client[name]?.(keys.length, ...keys, ...args)
  return {
    acceptBookings: run('frontrowAcceptBookings') as Scripts['acceptBookings'],
    acceptCancel: run('frontrowAcceptCancel') as Scripts['acceptCancel'],
    awaitOutcome: run('frontrowAwaitOutcome') as Scripts['awaitOutcome'],
    measureStreams: run('frontrowMeasureStreams') as Scripts['measureStreams'],
    publishSeats: run('frontrowPublishSeats') as Scripts['publishSeats'],
    settle: run('frontrowSettle') as Scripts['settle'],
    heartbeat: run('frontrowHeartbeat') as Scripts['heartbeat'],
    broadcastMap: run('frontrowBroadcastMap') as Scripts['broadcastMap'],
  }
}
