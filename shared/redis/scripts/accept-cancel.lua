#!lua
-- Accepts the cancelling of one request: puts it on the stream of the request's section, behind its book.
-- The caller has checked that the request is the customer's. Safe to run twice with the same arguments.
--
-- KEYS  1 topology mark  2 memory pressure  3 record of the cancel command  4 stream
-- ARGV  1 topology mark expected  2 id of the cancel command
--       3 the command as JSON without braces: customer, performance, section, topology version, trace
--       4 backlog cap, entries
--
-- Answers {code}: accepted | known | topology | memory | backlog, as accept-bookings.lua does.
local shard = redis.call('MGET', KEYS[1], KEYS[2])
if shard[1] ~= ARGV[1] then
  return { 'topology' }
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return { 'known' }
end
if shard[2] then
  return { 'memory' }
end
if redis.call('XLEN', KEYS[4]) >= tonumber(ARGV[4]) then
  return { 'backlog' }
end
local time = redis.call('TIME')
redis.call('XADD', KEYS[4], '*', ARGV[2],
  '{' .. ARGV[3] .. ',"requestedAtUs":' .. time[1] .. string.rep('0', 6 - #time[2]) .. time[2] .. '}')
redis.call('HSET', KEYS[3], 'status', 'PENDING')
return { 'accepted' }
