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
local removed = 0
local answer = {}

for i = 0, count - 1 do
  local stream, commandRecord, outcome, record =
    KEYS[4 * i + 1], KEYS[4 * i + 2], KEYS[4 * i + 3], KEYS[4 * i + 4]
  local base = 2 + 9 * i
  local entryId, requestId, kind, place = ARGV[base], ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]
  local json, status = ARGV[base + 4], ARGV[base + 5]

  if place ~= '' then
    local before = redis.call('HMGET', record, 'place', 'waiting')
    local shown = before[1]
    local fresh = ARGV[base + 6] ~= '' or redis.call('EXISTS', record) == 1
    if status ~= '' and (not shown or tonumber(shown) <= tonumber(place)) then
      if fresh then
        redis.call('HSET', record, 'customerId', ARGV[base + 7], 'sectionId', ARGV[base + 8],
          'status', status, 'place', place)
        if ARGV[base + 6] ~= '' then
          redis.call('HSET', record, 'fingerprint', ARGV[base + 6])
        end
        redis.call('PEXPIRE', record, recordMs)
      end
      if before[2] then
        redis.call('HDEL', record, 'waiting')
        answer[#answer + 1] = i
        answer[#answer + 1] = before[2]
      end
      -- Also where the record is gone: an outcome that outlived it would go on telling the old status.
      if json == '' then
        redis.call('DEL', outcome)
      elseif fresh then
        redis.call('SET', outcome, json, 'PX', outcomeMs)
      end
    end
    if commandRecord ~= record then
      redis.call('HSET', commandRecord, 'status', 'DECIDED')
      redis.call('PEXPIRE', commandRecord, recordMs)
    end
  end

  local found = redis.call('XRANGE', stream, entryId, entryId)[1]
  if found then
    local fields = found[2]
    local foundKind, foundRequest
    for f = 1, #fields, 2 do
      if fields[f] == 'kind' then foundKind = fields[f + 1] end
      if fields[f] == 'requestId' then foundRequest = fields[f + 1] end
    end
    local same = foundKind == kind and foundRequest == requestId
    if kind == '' then
      same = redis.sha1hex(table.concat(fields, '\0')) == requestId
    end
    if same then
      removed = removed + redis.call('XDEL', stream, entryId)
    end
  end
end
table.insert(answer, 1, removed)
return answer
