#!lua flags=allow-oom
-- After commit: shows the outcomes of one shard's batch and takes its entries off their streams.
-- A late run (a consumer that slept since its commit) neither shows an old outcome over a newer one nor
-- deletes an entry that is another command by now. allow-oom: what is decided must leave a full Redis.
--
-- KEYS  for each entry 4: its stream | its command's record | its request's outcome | its request's record
-- ARGV  1 number of entries, then for each 9:
--         entry id | request id, or SHA-1 over a malformed entry's fields | kind, '' for a malformed entry
--         place in the order, '' for an entry that only goes away
--         outcome JSON ('': forget the outcome, readers go to MySQL) | status of the request ('': unchanged)
--         fingerprint ('': a command that has none; it makes no record where there is none) | customer | section
--       then 2 at the end: lifetime of outcomes, ms | lifetime of records, ms
--
-- Answers {entries that it took away, then for each request that somebody waits for: number of its entry in the
-- arguments, counted from 0 | reply address}.
local count = tonumber(ARGV[1])
local outcomeMs = ARGV[#ARGV - 1]
local recordMs = ARGV[#ARGV]
local answer = { 0 }
-- Stream -> what is to be taken away from it: pairs of an entry's id and where it stands in the arguments.
local leaving = {}

local function show(record, outcome, base, place)
  local json, status, fingerprint = ARGV[base + 4], ARGV[base + 5], ARGV[base + 6]
  local before = redis.call('HMGET', record, 'status', 'place', 'waiting', 'fingerprint')
  if status == '' or (before[2] and tonumber(before[2]) > tonumber(place)) then
    return
  end
  local fresh = before[1] or fingerprint ~= ''
  if before[1] and (fingerprint == '' or fingerprint == before[4]) then
    redis.call('HSET', record, 'status', status, 'place', place)
  elseif fingerprint ~= '' then
    redis.call('HSET', record, 'customerId', ARGV[base + 7], 'sectionId', ARGV[base + 8], 'status', status,
      'place', place, 'fingerprint', fingerprint)
  end
  if fresh then
    redis.call('PEXPIRE', record, recordMs)
  end
  if before[3] then
    redis.call('HDEL', record, 'waiting')
    answer[#answer + 1] = (base - 2) / 9
    answer[#answer + 1] = before[3]
  end
  -- Also where the record is gone: an outcome that outlived it would go on telling the old status.
  if json == '' then
    redis.call('DEL', outcome)
  elseif fresh then
    redis.call('SET', outcome, json, 'PX', outcomeMs)
  end
end

local function isStill(fields, requestId, kind)
  if kind == '' then
    return redis.sha1hex(table.concat(fields, '\0')) == requestId
  end
  return fields[1] == 'kind' and fields[2] == kind and fields[3] == 'requestId' and fields[4] == requestId
end

-- Id -> fields of those entries that are there. A batch's entries of a stream mostly lie side by side, and are read in one
-- go; those that do not (ids may go backwards after a failover) are looked for one by one.
local function entriesOf(stream, pairsOf)
  local found = {}
  if #pairsOf > 2 then
    for _, entry in ipairs(redis.call('XRANGE', stream, pairsOf[1], pairsOf[#pairsOf - 1], 'COUNT', #pairsOf / 2)) do
      found[entry[1]] = entry[2]
    end
  end
  for i = 1, #pairsOf, 2 do
    local id = pairsOf[i]
    if not found[id] then
      local entry = redis.call('XRANGE', stream, id, id)[1]
      found[id] = entry and entry[2]
    end
  end
  return found
end

for i = 0, count - 1 do
  local stream, commandRecord, outcome, record =
    KEYS[4 * i + 1], KEYS[4 * i + 2], KEYS[4 * i + 3], KEYS[4 * i + 4]
  local base = 2 + 9 * i
  local place = ARGV[base + 3]
  if place ~= '' then
    show(record, outcome, base, place)
    if commandRecord ~= record then
      redis.call('HSET', commandRecord, 'status', 'DECIDED')
      redis.call('PEXPIRE', commandRecord, recordMs)
    end
  end
  local pairsOf = leaving[stream]
  if not pairsOf then
    pairsOf = {}
    leaving[stream] = pairsOf
  end
  pairsOf[#pairsOf + 1] = ARGV[base]
  pairsOf[#pairsOf + 1] = base
end
for stream, pairsOf in pairs(leaving) do
  local found = entriesOf(stream, pairsOf)
  local doomed = {}
  for i = 1, #pairsOf, 2 do
    local fields, base = found[pairsOf[i]], pairsOf[i + 1]
    if fields and isStill(fields, ARGV[base + 1], ARGV[base + 2]) then
      doomed[#doomed + 1] = pairsOf[i]
    end
  end
  -- One command a stream, because each costs the log of commands a line.
  if #doomed > 0 then
    answer[1] = answer[1] + redis.call('XDEL', stream, unpack(doomed))
  end
end
return answer
