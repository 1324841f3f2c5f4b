-- Ends an instance's hold. ARGV: the instance, and '0' or the only token that
-- its hold may have.

local instance, token = ARGV[1], ARGV[2]
local lock = load()
if lock.holders[instance] and (token == '0' or lock.token == token) then
  if lock.exclusive then
    redis.call('DEL', KEYS[1])
  else
    redis.call('HDEL', KEYS[2], 'i:' .. instance)
  end
  lock = load()
end
return answer('released', lock)
