-- What all operations on a lock share. Redis runs each as a whole.
--
-- KEYS[1]  the exclusive hold: "TOKEN EXPIRY INSTANCE", set with NX
-- KEYS[2]  the shared holds: a hash from "i:INSTANCE" to EXPIRY, and "token"
-- KEYS[3]  the last token granted, for as long as an older one may be on its way
--
-- Times are milliseconds since 1970 by the clock of this Redis. Tokens are kept
-- as the text they came in: Lua would print large numbers without their end.

local rememberTokenMillis = 600000
local maxHolders = 100 -- locks.MaxHolders
local longestMillis = 600000 -- twice the longest hold; one that seems longer is from before the clock was set back

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function live(expiry)
  return expiry > now and expiry <= now + longestMillis
end

-- load reads the lock and removes what has ended.
local function load()
  local lock = { exclusive = false, token = '0', holders = {}, count = 0 }
  local hold = redis.call('GET', KEYS[1])
  if hold then
    local token, expiry, instance = string.match(hold, '^(%d+) (%d+) (.*)$')
    if live(tonumber(expiry)) then
      lock.exclusive, lock.token, lock.count = true, token, 1
      lock.holders[instance] = tonumber(expiry)
      return lock
    end
    redis.call('DEL', KEYS[1])
  end
  local fields = redis.call('HGETALL', KEYS[2])
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'token' then
      lock.token = value
    elseif live(tonumber(value)) then
      lock.holders[string.sub(name, 3)] = tonumber(value)
      lock.count = lock.count + 1
    else
      redis.call('HDEL', KEYS[2], name)
    end
  end
  if lock.count == 0 then
    lock.token = '0'
    redis.call('DEL', KEYS[2])
  end
  return lock
end

-- answer is the outcome, the time, whether the lock is exclusive, its token, and
-- each holder with its expiry.
local function answer(outcome, lock)
  local reply = { outcome, string.format('%.0f', now), lock.exclusive and '1' or '0', lock.token }
  for instance, expiry in pairs(lock.holders) do
    table.insert(reply, instance)
    table.insert(reply, string.format('%.0f', expiry))
  end
  return reply
end
