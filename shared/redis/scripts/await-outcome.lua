#!lua
-- Asks for the outcome of an accepted request to be sent to an address once there is one. Safe to run twice. Of several
-- the last address counts: who waited before on another instance looks for the outcome when the time is over.
--
-- KEYS  1 the request's record  2 its outcome
-- ARGV  1 reply address
--
-- Answers {status, outcome JSON or ''}; status '' if there is no record, and then nothing will be sent.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'PENDING' then
  redis.call('HSET', KEYS[1], 'waiting', ARGV[1])
end
return { status or '', redis.call('GET', KEYS[2]) or '' }
