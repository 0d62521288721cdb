#!lua
-- Accepts one booking: remembers it and puts it on its section's stream, or says why not.
-- Runs on one shard: all keys carry its hash tag. Safe to run twice with the same arguments.
--
-- KEYS  1 topology mark  2 memory pressure  3 record  4 outcome  5 stream  6 customer's rate counter
-- ARGV  1 topology mark expected      2 fingerprint       3 customer        4 section         5 request id
--       6 what the command and the outcome have in common, as JSON without braces: customer, performance, section, seats
--       7 what only the command has, likewise, with a comma in front: fingerprint, topology version, trace
--       8 backlog cap, entries        9 rate limit, requests per window (0: none)            10 rate window, ms
--      11 reply address to send the outcome to, or '' if nobody waits
--
-- Answers {code, ...}:
--   accepted, 0, 0, left, ms                    a new request
--   known, status, outcome JSON or '', left, ms the same request as before
--   mismatch                                    the same id with another fingerprint
--   topology                                    the caller's topology is not this shard's (or absent)
--   rate, 0, 0, left, ms
--   memory | backlog                            no room
-- left: requests that the customer may still make; ms: until the window ends, -1 if none has begun. Without a limit
-- they are missing.
local shard = redis.call('MGET', KEYS[1], KEYS[2])
if shard[1] ~= ARGV[1] then
  return { 'topology' }
end

local limit = tonumber(ARGV[9])
local known = redis.call('HMGET', KEYS[3], 'fingerprint', 'status')
if known[1] then
  if known[1] ~= ARGV[2] then
    return { 'mismatch' }
  end
  if known[2] == 'PENDING' and ARGV[11] ~= '' then
    redis.call('HSET', KEYS[3], 'waiting', ARGV[11])
  end
  local answer = { 'known', known[2], redis.call('GET', KEYS[4]) or '' }
  if limit > 0 then
    answer[4] = math.max(0, limit - tonumber(redis.call('GET', KEYS[6]) or '0'))
    answer[5] = math.max(-1, redis.call('PTTL', KEYS[6]))
  end
  return answer
end

-- The counter is raised only by requests that are let through: one that is refused for lack of room
-- below costs the customer nothing.
local used = limit > 0 and tonumber(redis.call('GET', KEYS[6]) or '0') or 0
if limit > 0 and used >= limit then
  local left = redis.call('PTTL', KEYS[6])
  if left <= tonumber(ARGV[10]) then
    return { 'rate', 0, 0, 0, math.max(-1, left) }
  end
  -- Redis' clock was put back since: that window would last for as long as the clock was ahead.
  redis.call('DEL', KEYS[6])
end
if shard[2] then
  return { 'memory' }
end
if redis.call('XLEN', KEYS[5]) >= tonumber(ARGV[8]) then
  return { 'backlog' }
end

-- Lua prints large numbers as 1.7e+15: the time is put together as text.
local time = redis.call('TIME')
local at = time[1] .. string.rep('0', 6 - #time[2]) .. time[2]

redis.call('XADD', KEYS[5], '*', 'kind', 'book', 'requestId', ARGV[5],
  'command', '{' .. ARGV[6] .. ARGV[7] .. ',"requestedAtUs":' .. at .. '}')
if ARGV[11] == '' then
  redis.call('HSET', KEYS[3], 'fingerprint', ARGV[2], 'customerId', ARGV[3], 'sectionId', ARGV[4], 'status', 'PENDING')
else
  redis.call('HSET', KEYS[3], 'fingerprint', ARGV[2], 'customerId', ARGV[3], 'sectionId', ARGV[4], 'status', 'PENDING',
    'waiting', ARGV[11])
end
redis.call('SET', KEYS[4],
  '{"requestId":"' .. ARGV[5] .. '",' .. ARGV[6] .. ',"status":"PENDING","requestedAtUs":' .. at .. '}')
if limit == 0 then
  return { 'accepted', 0, 0 }
end
used = redis.call('INCR', KEYS[6])
if used == 1 then
  redis.call('PEXPIRE', KEYS[6], ARGV[10])
end
return { 'accepted', 0, 0, limit - used, redis.call('PTTL', KEYS[6]) }
