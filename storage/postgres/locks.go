package postgres

var fences = table{
	read: eachKey + `(SELECT fence, used_at FROM syncline_locks WHERE owner = k.owner AND name = k.id LIMIT 1) AS r`,
	insert: `INSERT INTO syncline_locks (owner, name, fence, used_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]))
ON CONFLICT (owner, name) DO UPDATE SET fence = excluded.fence, used_at = excluded.used_at`,
	remove: "DELETE FROM syncline_locks AS f" + ofKeys + "WHERE f.owner = k.owner AND f.name = k.id",
}

// clock is read after the accounts are locked: a transaction may have waited.
var clock = table{read: "SELECT NULL::bytea, NULL::text, clock_timestamp()"}

var holds = table{
	read: eachKey + `(SELECT instance_id, exclusive, token, expires_at FROM syncline_lock_holders
WHERE owner = k.owner AND lock = k.id OFFSET 0) AS r`,
	insert: `INSERT INTO syncline_lock_holders (owner, lock, instance_id, exclusive, token, expires_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $4::boolean[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[])) ON CONFLICT (owner, lock, instance_id) DO UPDATE SET exclusive = excluded.exclusive,
token = excluded.token, expires_at = excluded.expires_at`,
	remove: `DELETE FROM syncline_lock_holders AS h
USING unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::text[])) AS k(owner, lock, instance_id)
WHERE h.owner = k.owner AND h.lock = k.lock AND h.instance_id = k.instance_id`,
}
