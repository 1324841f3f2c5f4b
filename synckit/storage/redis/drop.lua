-- Takes events of an aggregate out of the log. Their IDs stay, with their positions.
-- KEYS: log, ids, heads, state, the aggregate's index. ARGV: the aggregate, the length of a
-- digest, then IDs.
local log, ids, heads, state, index = unpack(KEYS)
local latest = redis.call('HGET', state, 'latest')
for i = 3, #ARGV do
	local there = redis.call('HGET', ids, ARGV[i])
	if there then
		local position = string.sub(there, tonumber(ARGV[2]) + 1)
		local entry = position .. '-0'
		if position ~= latest and redis.call('XDEL', index, entry) == 1 then
			redis.call('XDEL', log, entry)
		end
	end
end
local head = redis.call('HGET', heads, ARGV[1])
if head then
	local last = redis.call('XREVRANGE', index, '+', '-', 'COUNT', 1)[1]
	local newest = last and string.match(last[1], '^%d+') or '0'
	redis.call('HSET', heads, ARGV[1], newest .. ' ' .. string.match(head, '%d+$'))
end
return 1
