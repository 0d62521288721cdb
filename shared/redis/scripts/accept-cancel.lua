#!lua
-- Accepts the cancelling of one request: puts it on the stream of the request's section, behind its book.
-- The caller has checked that the request is the customer's. Safe to run twice with the same arguments.
--
-- KEYS  1 topology mark  2 memory pressure  3 record of the cancel command  4 stream
-- ARGV  1 topology mark expected  2 request id  3 customer  4 performance  5 section
--       6 backlog cap, entries    7 topology version  8 traceparent, or '' for none
--
-- Answers {code}: accepted | known | topology | memory | backlog, as accept-booking.lua does.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'topology' }
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return { 'known' }
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return { 'memory' }
end
if redis.call('XLEN', KEYS[4]) >= tonumber(ARGV[6]) then
  return { 'backlog' }
end
local time = redis.call('TIME')
local entry = { 'kind', 'cancel', 'requestId', ARGV[2], 'customerId', ARGV[3], 'performanceId', ARGV[4],
  'sectionId', ARGV[5], 'requestedAtUs', time[1] .. string.rep('0', 6 - #time[2]) .. time[2],
  'topologyVersion', ARGV[7] }
if ARGV[8] ~= '' then
  entry[#entry + 1] = 'traceparent'
  entry[#entry + 1] = ARGV[8]
end
redis.call('XADD', KEYS[4], '*', unpack(entry))
redis.call('HSET', KEYS[3], 'status', 'PENDING')
return { 'accepted' }
