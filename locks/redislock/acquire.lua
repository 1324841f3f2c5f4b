-- Grants a lock, or not, by the rules of locks.Decide.
--
-- ARGV: the instance, '1' for exclusive, the time to live in milliseconds, a
-- token for a grant that joins no live holder, or '0': the answer is then
-- 'token' where one is needed; and the token of the one grant that may be
-- renewed, or '0'.

local instance, exclusive, ttl, offered, renews = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4], ARGV[5]
local lock = load()
local mine = lock.holders[instance]
local others = lock.count - (mine and 1 or 0)
local outcome

if renews ~= '0' and not (mine and lock.token == renews) then
  return answer('ended', lock)
elseif others > 0 and (exclusive or lock.exclusive) then
  return answer('held', lock)
elseif mine and (lock.exclusive or not exclusive) then
  outcome = lock.token == offered and 'granted' or 'renewed' -- offered before: this command was sent twice
elseif others >= maxHolders or renews ~= '0' then
  return answer('held', lock)
elseif not exclusive and others > 0 then
  outcome = 'joined'
elseif offered == '0' then
  return answer('token', lock)
else
  local last = redis.call('GET', KEYS[3])
  if last and tonumber(offered) <= tonumber(last) then
    return answer('stale', lock)
  end
  redis.call('SET', KEYS[3], offered, 'PX', rememberTokenMillis)
  lock.token = offered
  outcome = mine and 'upgraded' or 'granted'
end

local expiry = now + ttl
if exclusive then
  if lock.exclusive then
    redis.call('DEL', KEYS[1])
  end
  redis.call('DEL', KEYS[2])
  local hold = lock.token .. ' ' .. string.format('%.0f', expiry) .. ' ' .. instance
  if not redis.call('SET', KEYS[1], hold, 'NX', 'PX', ttl) then
    return redis.error_reply('ERR exclusive hold appeared')
  end
else
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'token', lock.token, 'i:' .. instance, string.format('%.0f', expiry))
  local last = expiry
  for _, other in pairs(lock.holders) do
    last = math.max(last, other)
  end
  redis.call('PEXPIRE', KEYS[2], last - now)
end
lock.exclusive = exclusive
lock.holders[instance] = expiry
return answer(outcome, lock)
