#!lua flags=allow-oom
-- After commit: tells those who watch a shard's seats what a batch changed, one entry a batch. What does not follow on
-- what was told before is told as a gap. Safe to run twice, or late: a consumer that slept since its commit tells nothing
-- old. allow-oom: the stream is bounded, and a seat map that is not told of a full Redis would stay wrong.
--
-- KEYS  1 the shard's stream of seat changes  2 hash: place of the newest decision told, by partition
-- ARGV  1 number of partitions, then for each 4:
--         number | place before the batch | place after it | changes as JSON objects with commas between, '' for none
--       then 2 at the end: entries kept, about | lifetime after the last change, ms
--
-- The entry has `prev`, the id of the entry before it (0-0: there is none), and `changes`, a JSON array; `gap` if
-- something was missed before it. Answers the number of entries written.
local count = tonumber(ARGV[1])
local told = {}
local gap = false

for i = 0, count - 1 do
  local base = 2 + 4 * i
  local partition, before, after = ARGV[base], tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2])
  local last = tonumber(redis.call('HGET', KEYS[2], partition) or '-1')
  if last < after then
    if last >= 0 and last ~= before then
      gap = true
    end
    if ARGV[base + 3] ~= '' then
      told[#told + 1] = ARGV[base + 3]
    end
    redis.call('HSET', KEYS[2], partition, ARGV[base + 2])
  end
end
if #told == 0 and not gap then
  return 0
end

local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local entry = { 'prev', newest and newest[1] or '0-0', 'changes', '[' .. table.concat(told, ',') .. ']' }
if gap then
  entry[#entry + 1] = 'gap'
  entry[#entry + 1] = '1'
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[#ARGV - 1], '*', unpack(entry))
redis.call('PEXPIRE', KEYS[1], ARGV[#ARGV])
redis.call('PEXPIRE', KEYS[2], ARGV[#ARGV])
return 1
