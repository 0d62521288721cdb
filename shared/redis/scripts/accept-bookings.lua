#!lua
-- Accepts bookings, in their order: remembers each and puts it on its section's stream, or says why not.
-- Runs on one shard: all keys carry its hash tag. Safe to run twice with the same arguments.
--
-- KEYS  1 topology mark  2 memory pressure  3 seats asked for in vain
--       then for each booking 4: record | outcome | stream | customer's rate counter
-- ARGV  1 topology mark expected  2 backlog cap, entries  3 rate limit, requests per window (0: none)  4 rate window, ms
--       5 beginning of the records' names, before a command id
--       then for each booking 7:
--         fingerprint | customer | section | request id
--         what the command and the outcome have in common, as JSON without braces: customer, performance, section, seats
--         what only the command has, likewise, with a comma in front: fingerprint, topology version, trace
--         reply address to send the outcome to, or '' if nobody waits
--
-- Answers for each booking one of:
--   accepted | {accepted, 0, 0, left, ms}       a new request
--   {known, status, outcome JSON or ''} | {known, status, outcome JSON or '', left, ms}
--                                               the same request as before
--   mismatch                                    the same id with another fingerprint
--   topology                                    the caller's topology is not this shard's (or absent)
--   {rate, 0, 0, left, ms}
--   {taken, seats, 0} | {taken, seats, 0, left, ms}
--                                               these of its seats, with commas between, will not be free when its turn comes
--   memory | backlog                            no room
-- left: requests that the customer may still make; ms: until the window ends, -1 if none has begun. Both only where
-- there is a limit.
local shard = redis.call('MGET', KEYS[1], KEYS[2])
local backlogCap, limit, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- Lua prints large numbers as 1.7e+15: the time is put together as text.
local time = redis.call('TIME')
local at = time[1] .. string.rep('0', 6 - #time[2]) .. time[2]
-- Stream -> entries that it has.
local lengths = {}
-- Whether seats are marked as taken, by this very Redis: one that was replaced by a copy of it may have lost a cancel.
local markedBy = redis.call('HGET', KEYS[3], '')
local info = markedBy and redis.pcall('INFO', 'replication')
local someTaken = type(info) == 'string' and string.find(info, 'master_replid:' .. markedBy, 1, true)

-- Seats of a wish that another request holds, and will when this one's turn comes: it was confirmed, and nobody has asked to
-- cancel it, whose cancel would lie in front of this one. Whoever holds a seat itself asks again for what it has, and Redis
-- has forgotten it: the consumer has not.
local function takenFrom(requestId, common)
  local wish = cjson.decode('{' .. common .. '}')
  local names = {}
  for i, seat in ipairs(wish.seatIds) do
    names[i] = wish.performanceId .. '/' .. wish.sectionId .. '/' .. seat
  end
  local taken = {}
  for i, holder in ipairs(redis.call('HMGET', KEYS[3], unpack(names))) do
    if holder and holder ~= requestId and redis.call('EXISTS', ARGV[5] .. holder .. '/cancel') == 0 then
      taken[#taken + 1] = wish.seatIds[i]
    end
  end
  return taken
end

-- Adds what the customer may still do to an answer that does not count against it.
local function withAllowance(answer, rate)
  if limit > 0 then
    answer[4] = math.max(0, limit - tonumber(redis.call('GET', rate) or '0'))
    answer[5] = math.max(-1, redis.call('PTTL', rate))
  end
  return answer
end

local function accept(key, arg)
  local record, outcome, stream, rate = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local fingerprint, requestId, common, replyTo = ARGV[arg], ARGV[arg + 3], ARGV[arg + 4], ARGV[arg + 6]
  local known = redis.call('HMGET', record, 'fingerprint', 'status')
  if known[1] then
    if known[1] ~= fingerprint then
      return 'mismatch'
    end
    if known[2] == 'PENDING' and replyTo ~= '' then
      redis.call('HSET', record, 'waiting', replyTo)
    end
    return withAllowance({ 'known', known[2], redis.call('GET', outcome) or '' }, rate)
  end

  -- The counter is raised only by requests that are let through: one that is refused for lack of room
  -- below costs the customer nothing.
  if limit > 0 and tonumber(redis.call('GET', rate) or '0') >= limit then
    local left = redis.call('PTTL', rate)
    if left <= window then
      return { 'rate', 0, 0, 0, math.max(-1, left) }
    end
    -- Redis' clock was put back since: that window would last for as long as the clock was ahead.
    redis.call('DEL', rate)
  end
  if someTaken then
    local taken = takenFrom(requestId, common)
    if #taken > 0 then
      return withAllowance({ 'taken', table.concat(taken, ','), 0 }, rate)
    end
  end
  if shard[2] then
    return 'memory'
  end
  local length = lengths[stream] or redis.call('XLEN', stream)
  lengths[stream] = length
  if length >= backlogCap then
    return 'backlog'
  end

  redis.call('XADD', stream, '*', requestId, '{' .. common .. ARGV[arg + 5] .. ',"requestedAtUs":' .. at .. '}')
  lengths[stream] = length + 1
  if replyTo == '' then
    redis.call('HSET', record, 'fingerprint', fingerprint, 'customerId', ARGV[arg + 1], 'sectionId', ARGV[arg + 2],
      'status', 'PENDING')
  else
    redis.call('HSET', record, 'fingerprint', fingerprint, 'customerId', ARGV[arg + 1], 'sectionId', ARGV[arg + 2],
      'status', 'PENDING', 'waiting', replyTo)
  end
  redis.call('SET', outcome,
    '{"requestId":"' .. requestId .. '",' .. common .. ',"status":"PENDING","requestedAtUs":' .. at .. '}')
  if limit == 0 then
    return 'accepted'
  end
  local used = redis.call('INCR', rate)
  if used == 1 then
    redis.call('PEXPIRE', rate, window)
  end
  return { 'accepted', 0, 0, limit - used, redis.call('PTTL', rate) }
end

local isOurs = shard[1] == ARGV[1]
local answers = {}
for i = 0, (#KEYS - 3) / 4 - 1 do
  answers[i + 1] = isOurs and accept(4 + 4 * i, 6 + 7 * i) or 'topology'
end
return answers
