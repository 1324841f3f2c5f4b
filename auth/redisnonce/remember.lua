-- Remembers a nonce, and tells for how long this memory has been complete.
--
-- KEYS[1]: the beginning of the memory. KEYS[2]: the nonce; without it only the
-- beginning is looked at. ARGV[1]: for how many ms the beginning is kept, 0 for good.
-- ARGV[2]: who asks. ARGV[3]: how long to remember, in ms.
--
-- Answers whether the nonce is new, the memory's age in ms, and whether it began
-- with this call.
--
-- The beginning says when that was, and in which line of data: a server that
-- started again, empty or from an older file, and a replica that took over, have
-- a replication id of their own. A line that is another may lack nonces.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local info = redis.pcall('INFO', 'replication') -- may be forbidden: then only an empty server is noticed
local line = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''

local began = 0
local known, at = string.match(redis.call('GET', KEYS[1]) or '', '^(%x*) (%d+)$')
at = tonumber(at)
if known ~= line or not at or at > now then -- at > now: the clock was set back
	at, began = now, 1
	redis.call('SET', KEYS[1], line .. ' ' .. string.format('%.0f', now))
	if ARGV[1] ~= '0' then
		redis.call('PEXPIRE', KEYS[1], ARGV[1])
	end
end

local new = 1
-- A client of a cluster may send a call twice: it must not take itself for another.
if KEYS[2] and not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) and redis.call('GET', KEYS[2]) ~= ARGV[2] then
	new = 0
end
return {new, now - at, began}
