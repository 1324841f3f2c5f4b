package sqlite

var fences = table{
	name: "fences",
	read: "SELECT fence, used_at FROM syncline_locks WHERE owner = ? AND name = ?",
	keys: 2,
	insert: `INSERT INTO syncline_locks (owner, name, fence, used_at) VALUES (?, ?, ?, ?)
ON CONFLICT (owner, name) DO UPDATE SET fence = excluded.fence, used_at = excluded.used_at`,
	remove: "DELETE FROM syncline_locks WHERE owner = ? AND name = ?",
}

var holds = table{
	name: "holds of locks",
	read: "SELECT instance_id, exclusive, token, expires_at FROM syncline_lock_holders WHERE owner = ? AND lock = ?",
	keys: 2,
	insert: `INSERT INTO syncline_lock_holders (owner, lock, instance_id, exclusive, token, expires_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, lock, instance_id) DO UPDATE SET exclusive = excluded.exclusive,
token = excluded.token, expires_at = excluded.expires_at`,
	remove: "DELETE FROM syncline_lock_holders WHERE owner = ? AND lock = ? AND instance_id = ?",
}
