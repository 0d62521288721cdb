#!lua flags=no-writes
-- Tells how much lies undecided on some of a shard's streams. One call for many: asked for one by one, thousands of streams
-- a second cost more than deciding.
--
-- KEYS  streams
--
-- Answers for each: number of entries | id of the oldest, '' if there is none.
local answer = {}
for i, stream in ipairs(KEYS) do
  local length = redis.call('XLEN', stream)
  answer[2 * i - 1] = length
  answer[2 * i] = length > 0 and redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1] or ''
end
return answer
