-- Says which database the instances of a deployment serve, unless another is said to
-- be.
--
-- KEYS[1]: where it is said. ARGV[1]: the epochs of this instance's database, each
-- followed by a blank. ARGV[2]: for how many ms it is said. ARGV[3]: 1 if it may be said
-- where nothing is.
--
-- Answers 'ours', 'another', or 'absent' where nothing is said and it may not be.
--
-- A list that goes on from the one that is said is the same database's, later.
local said = redis.call('GET', KEYS[1])
if said and string.sub(ARGV[1], 1, string.len(said)) ~= said then
	return 'another'
end
if not said and ARGV[3] ~= '1' then
	return 'absent'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'ours'
