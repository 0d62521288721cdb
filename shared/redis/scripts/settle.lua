#!lua flags=allow-oom
-- After commit: shows the outcomes of one shard's batch, sends them to those who wait, and takes its entries off their
-- streams.
-- A late run (a consumer that slept since its commit) neither shows an old outcome over a newer one, also where the newer
-- one is forgotten, nor deletes an entry that is another command by now. allow-oom: what is decided must leave a full Redis.
--
-- KEYS  the streams
--       then for each request shown 2: its record | its outcome
--       then the records of the commands decided that have one of their own (all but books)
--       at the end, where there are marks: the hash of seats asked for in vain
-- ARGV  1 number of streams  2 number of requests shown
--       3 lifetime of outcomes, ms  4 lifetime of records, ms  5 beginning of the channels' names, before a reply address
--       6 number of marks  7 lifetime of marks, ms  8 id of the replication history as of which the batch was decided
--       then for each request shown 4:
--         place in the order | outcome JSON ('': forget the outcome, readers go to MySQL)
--         status ('': unchanged) | fingerprint ('': a command that has none; it makes no record where there is none)
--       then for each stream: number of its entries, and for each of them 2:
--         entry id | command id, or 'sha1:' and SHA-1 over a malformed entry's fields
--       then for each mark 3: id of the command that asked in vain, or gave back | seat, as performance/section/seat
--         | request that holds it ('': nobody any more)
--
-- Whoever waits gets one message a batch: a JSON array of outcomes. Answers how many entries it took away.
local streamCount, shownCount = tonumber(ARGV[1]), tonumber(ARGV[2])
local outcomeMs, recordMs, channel = ARGV[3], ARGV[4], ARGV[5]
local markCount, markMs, decidedIn = tonumber(ARGV[6]), ARGV[7], ARGV[8]
-- About so many marks of a shard at a time: what expires in one go must not hold Redis up for long.
local MARKS_KEPT = 20000
local removed = 0
-- Outcomes by reply address.
local replies = {}
-- Ids of commands whose entry this run finds and takes away.
local lying = {}

local function show(i)
  local record, outcome = KEYS[streamCount + 2 * i + 1], KEYS[streamCount + 2 * i + 2]
  local base = 9 + 4 * i
  local place, json, status, fingerprint = ARGV[base], ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]
  local before = redis.call('HMGET', record, 'status', 'place', 'waiting', 'fingerprint')
  if status == '' or (before[2] and tonumber(before[2]) > tonumber(place)) then
    return
  end
  local fresh = before[1]
  if before[1] and (fingerprint == '' or fingerprint == before[4]) then
    redis.call('HSET', record, 'status', status, 'place', place)
  elseif fingerprint ~= '' then
    -- Redis has forgotten it, or remembers another wish under its name.
    local booking = cjson.decode(json)
    if not lying[booking.requestId] then
      -- Whoever took the entry away has shown this, and perhaps something newer since, before it was forgotten.
      redis.call('DEL', outcome)
      return
    end
    redis.call('HSET', record, 'customerId', booking.customerId, 'sectionId', booking.sectionId, 'status', status,
      'place', place, 'fingerprint', fingerprint)
    fresh = true
  end
  if fresh then
    redis.call('PEXPIRE', record, recordMs)
  end
  if before[3] then
    redis.call('HDEL', record, 'waiting')
    if json ~= '' then
      local outcomes = replies[before[3]] or {}
      outcomes[#outcomes + 1] = json
      replies[before[3]] = outcomes
    end
  end
  -- Also where the record is gone: an outcome that outlived it would go on telling the old status.
  if json == '' then
    redis.call('DEL', outcome)
  elseif fresh then
    redis.call('SET', outcome, json, 'PX', outcomeMs)
  end
end

local function isStill(fields, name)
  if string.sub(name, 1, 5) == 'sha1:' then
    return redis.sha1hex(table.concat(fields, '\0')) == string.sub(name, 6)
  end
  return #fields == 2 and fields[1] == name
end

-- Which of `count` entries of a stream are still what was decided. A batch's entries mostly are the first of their stream, one
-- behind the other: they are read in one go and cut off, which costs less than deleting each. Others (ids may go backwards
-- after a failover) are looked for one by one.
local function look(stream, from, count)
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', count)
  local inFront = 0
  while inFront < count do
    local entry, at = first[inFront + 1], from + 2 * inFront
    if not entry or entry[1] ~= ARGV[at] or not isStill(entry[2], ARGV[at + 1]) then
      break
    end
    lying[ARGV[at + 1]] = true
    inFront = inFront + 1
  end
  local others = {}
  for at = from + 2 * inFront, from + 2 * count - 2, 2 do
    local entry = redis.call('XRANGE', stream, ARGV[at], ARGV[at])[1]
    if entry and isStill(entry[2], ARGV[at + 1]) then
      lying[ARGV[at + 1]] = true
      others[#others + 1] = ARGV[at]
    end
  end
  return { inFront = inFront, others = others }
end

-- Takes away what was found; answers how many.
local function takeAway(stream, found)
  local taken = 0
  if found.inFront > 0 then
    taken = redis.call('XTRIM', stream, 'MAXLEN', redis.call('XLEN', stream) - found.inFront)
  end
  -- One command a stream, because each costs the log of commands a line.
  if #found.others > 0 then
    taken = taken + redis.call('XDEL', stream, unpack(found.others))
  end
  return taken
end

-- Takes the marks off seats that were given back, and marks those as taken that were asked for in vain, so that who asks for
-- them next is refused at once. Only where the entry lies there that asked in vain: a cancel that its seat's holder asked for
-- since stands behind it, and so has not lost its record yet. And only in the Redis as of which that was decided: a copy of it
-- without the tail may have lost a cancel, and have the entry again.
local function changeMarks(marks, from)
  local last = from + 3 * markCount - 3
  local freed = 0
  for i = from, last, 3 do
    if ARGV[i + 2] == '' then
      -- Not left to the record of the cancel alone: somebody may delete that.
      redis.call('HDEL', marks, ARGV[i + 1])
      freed = freed + 1
    end
  end
  if freed == markCount then
    return
  end
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' or not string.find(info, 'master_replid:' .. decidedIn, 1, true) then
    return
  end
  -- Likewise with marks: those of another Redis do not count. The empty name is no seat's.
  if redis.call('HGET', marks, '') ~= decidedIn then
    redis.call('DEL', marks)
    redis.call('HSET', marks, '', decidedIn)
  end
  if redis.call('HLEN', marks) > MARKS_KEPT then
    return
  end
  for i = from, last, 3 do
    if ARGV[i + 2] ~= '' and lying[ARGV[i]] then
      redis.call('HSET', marks, ARGV[i + 1], ARGV[i + 2])
    end
  end
  -- Never longer: all are found out anew when the first is too old. A clock that was put back makes no mark last.
  redis.call('PEXPIRE', marks, markMs, 'LT')
end

local at = 9 + 4 * shownCount
local found = {}
for i = 1, streamCount do
  local count = tonumber(ARGV[at])
  found[i] = look(KEYS[i], at + 1, count)
  at = at + 1 + 2 * count
end
for i = 0, shownCount - 1 do
  show(i)
end
for i = streamCount + 2 * shownCount + 1, #KEYS - (markCount > 0 and 1 or 0) do
  redis.call('HSET', KEYS[i], 'status', 'DECIDED')
  redis.call('PEXPIRE', KEYS[i], recordMs)
end
for i = 1, streamCount do
  removed = removed + takeAway(KEYS[i], found[i])
end
if markCount > 0 and decidedIn ~= '' then
  changeMarks(KEYS[#KEYS], at)
end
-- Best effort: a message may be lost at any time, so whoever waits looks once more before giving up, and a Redis that forbids
-- publishing is no reason to settle nothing.
for address, outcomes in pairs(replies) do
  redis.pcall('SPUBLISH', channel .. address, '[' .. table.concat(outcomes, ',') .. ']')
end
return removed
