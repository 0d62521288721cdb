#!lua flags=allow-oom
-- Tells every consumer of a new map. allow-oom: a full Redis must not keep partitions from finding an owner.
--
-- KEYS  1 stream of maps
-- ARGV  1 generation  2 assignment, encoded  3 entries to keep
--
-- Answers the entry's id.
return redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[3], '*', 'generation', ARGV[1], 'assignment', ARGV[2])
