-- Ends the holds whose token is below a fence: writes that name it are refused
-- already. ARGV: the fence.

local lock = load()
if lock.count > 0 and tonumber(lock.token) < tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  lock = load()
end
return answer('fenced', lock)
