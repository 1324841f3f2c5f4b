-- Lists reviews that wait, in order, after an ID (empty: from the beginning).
-- KEYS: places, waiting, reviews. ARGV: the ID, how many. Answers nil for an unknown ID.
local place = 0
if ARGV[1] ~= '' then
	place = redis.call('HGET', KEYS[1], ARGV[1])
	if not place then
		return false
	end
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. place, '+inf', 'LIMIT', 0, ARGV[2])
local contents = {}
for i, id in ipairs(ids) do
	contents[i] = redis.call('HGET', KEYS[3], id)
end
return contents
