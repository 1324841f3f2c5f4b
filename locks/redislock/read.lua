-- Reads a lock.

return answer('read', load())
