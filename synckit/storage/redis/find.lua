-- Finds, among the entries of the log after a position, those whose field has a value.
-- ARGV: the position, how many entries to look at, the field, its value.
-- Answers the position that it has come to, then those that it found.
local answer = {ARGV[1]}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
	answer[1] = string.match(entry[1], '^%d+')
	for i = 1, #entry[2], 2 do
		if entry[2][i] == ARGV[3] then
			if entry[2][i + 1] == ARGV[4] then
				answer[#answer + 1] = answer[1]
			end
			break
		end
	end
end
return answer
