-- Applies a commit: all of it, or nothing. Redis undoes nothing of a script that fails,
-- so everything is checked before anything is written.
--
-- KEYS: as below, then an index for each aggregate that gets events.
-- ARGV: the channel, this moment, the moment from which times are not believed (both
-- microseconds), then each part after its length, as it is taken below.
local log, ids, heads, state, confirmed, cursors, places, waiting, reviews, done = unpack(KEYS, 1, 10)
local fixedKeys = 10

local answer = redis.call('GET', done)
if answer then
	return answer -- the client asks again, for the answer was lost
end

local at = 0
local function take()
	at = at + 1
	return ARGV[at]
end
local function text(number) return string.format('%.0f', number) end

local known = {}
local function head(aggregate)
	if not known[aggregate] then
		local newest, clock = string.match(redis.call('HGET', heads, aggregate) or '0 0', '(%d+) (%d+)')
		known[aggregate] = {newest = tonumber(newest), clock = tonumber(clock)}
	end
	return known[aggregate]
end

local channel, now, unbelieved = take(), tonumber(take()), tonumber(take())

for _ = 1, tonumber(take()) do
	local aggregate, expected = take(), tonumber(take())
	local newest = head(aggregate).newest
	if newest > expected then
		return {'outdated', aggregate, text(newest)}
	end
end

local fresh, byID, confirm = {}, {}, {}
for i = 1, tonumber(take()) do
	local e = {
		index = KEYS[fixedKeys + tonumber(take())], id = take(), type = take(), aggregate = take(), data = take(), metadata = take(),
		kind = take(), version = take(), origin = take(), digest = take(),
		clock = tonumber(take()), time = tonumber(take()), stamp = take() == '1', number = i,
	}
	local there, twice = redis.call('HGET', ids, e.id), byID[e.id]
	if there then
		if string.sub(there, 1, #e.digest) ~= e.digest then
			return {'reused', e.id}
		end
		if e.origin ~= '' then
			confirm[#confirm + 1] = string.sub(there, #e.digest + 1)
		end
	elseif twice then
		if twice.digest ~= e.digest then
			return {'reused', e.id}
		end
		twice.confirmed = twice.confirmed or e.origin ~= ''
	else
		byID[e.id] = e
		fresh[#fresh + 1] = e
	end
end

local ended, endedBefore = {}, {}
for i = 1, tonumber(take()) do
	ended[i] = take()
	if endedBefore[ended[i]] or redis.call('HEXISTS', reviews, ended[i]) == 0 then
		return {'missing', ended[i]}
	end
	endedBefore[ended[i]] = true
end

-- From here on nothing fails.

local latest = tonumber(redis.call('HGET', state, 'latest') or 0)
local last = tonumber(redis.call('HGET', state, 'time') or 0)
if last >= unbelieved then
	last = 0
end
local appended = {}
for _, e in ipairs(fresh) do
	local h = head(e.aggregate)
	local clock, micros = '', ''
	if e.stamp then
		e.clock, e.time = math.min(h.clock + 1, 9007199254740991), math.max(now, last + 1)
		clock, micros = text(e.clock), text(e.time)
	end
	if e.time > last and e.time < unbelieved then
		last = e.time
	end
	latest = latest + 1
	local position = text(latest)
	redis.call('XADD', log, position .. '-0', 'i', e.id, 't', e.type, 'a', e.aggregate, 'd', e.data, 'm', e.metadata,
		'k', e.kind, 'v', e.version, 'o', e.origin, 'c', clock, 'u', micros)
	redis.call('XADD', e.index, position .. '-0', '', '')
	redis.call('HSET', ids, e.id, e.digest .. position)
	h.newest, h.clock = latest, math.max(h.clock, e.clock)
	redis.call('HSET', heads, e.aggregate, position .. ' ' .. text(h.clock))
	if e.confirmed then
		confirm[#confirm + 1] = position
	end
	appended[#appended + 1] = e.number
end
if #fresh > 0 then
	redis.call('HSET', state, 'latest', text(latest), 'time', text(last))
end
for _, position in ipairs(confirm) do
	redis.call('SETBIT', confirmed, position, 1)
end

for _, id in ipairs(ended) do
	redis.call('HDEL', reviews, id)
	redis.call('ZREM', waiting, id)
end
local added = tonumber(take())
for _ = 1, added do
	local id, content = take(), take()
	if redis.call('HSET', reviews, id, content) == 1 then
		local place = redis.call('HINCRBY', state, 'places', 1)
		redis.call('HSET', places, id, place) -- stays when the review ends, for who has read up to it
		redis.call('ZADD', waiting, place, id)
	end
end
for _ = 1, tonumber(take()) do
	local name, value = take(), take()
	if value == '' then
		redis.call('HDEL', cursors, name)
	else
		redis.call('HSET', cursors, name, value)
	end
end

local changes = 0
if #appended + #ended + added > 0 then
	changes = redis.call('HINCRBY', state, 'changes', 1)
	redis.call('PUBLISH', channel, changes)
end
answer = text(latest) .. ' ' .. changes .. ' ' .. table.concat(appended, ' ')
redis.call('SET', done, answer, 'PX', 60000)
return answer
