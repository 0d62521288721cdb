#!lua flags=allow-oom
-- Shows one member's beat, forgets the dead, and answers what all members show. allow-oom: a full Redis must not
-- make every consumer look dead. Safe to run twice with the same arguments.
--
-- KEYS  1 hash of beats
-- ARGV  1 member, '' to show nothing     2 its beat
--       then pairs: a member to forget | the beat at which it was seen dead
--
-- Answers the hash: member, beat, member, beat, ...
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
for i = 3, #ARGV, 2 do
  -- One that has moved since is not dead.
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return redis.call('HGETALL', KEYS[1])
