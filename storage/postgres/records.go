package postgres

var epochs = table{read: "SELECT NULL::bytea, NULL::text, epoch, base FROM syncline_epochs ORDER BY number DESC LIMIT 1"}

const (
	// What a transaction locks its owners by, and reads of them.
	lockAccounts = `(SELECT head, floor, record_count, stored_bytes, fence_token, created_at, tombstones, fences, mutation_bytes,
erased, holders, forgotten_token, quota_records, quota_bytes FROM syncline_accounts WHERE owner = k.owner LIMIT 1 FOR UPDATE`

	// What a newer transaction inserted meanwhile is not returned: it is locked.
	makeAccounts = `INSERT INTO syncline_accounts (owner) SELECT k.owner FROM unnest((SELECT $1::bytea[])) AS k(owner)
WHERE (SELECT true FROM syncline_accounts AS a WHERE a.owner = k.owner LIMIT 1) IS NULL
ON CONFLICT DO NOTHING RETURNING owner`
)

var accounts = table{
	insert: `INSERT INTO syncline_accounts (owner, head, floor, record_count, stored_bytes, fence_token,
created_at, tombstones, fences, mutation_bytes, erased, holders, forgotten_token)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[]), (SELECT $7::bigint[]), (SELECT $8::bigint[]), (SELECT $9::bigint[]), (SELECT $10::bigint[]), (SELECT $11::bigint[]),
(SELECT $12::bigint[]), (SELECT $13::bigint[]))
ON CONFLICT (owner) DO UPDATE SET head = excluded.head, floor = excluded.floor,
record_count = excluded.record_count, stored_bytes = excluded.stored_bytes, fence_token = excluded.fence_token,
created_at = excluded.created_at, tombstones = excluded.tombstones, fences = excluded.fences, mutation_bytes = excluded.mutation_bytes,
erased = excluded.erased, holders = excluded.holders, forgotten_token = excluded.forgotten_token`,
}

var records = table{
	read: eachKey + `(SELECT revision, deleted, schema_version, client_id, updated_at,
coalesce(length(data), 0) FROM syncline_records WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`,
	insert: `INSERT INTO syncline_records (owner, id, revision, deleted, schema_version, client_id, updated_at, data)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bigint[]), (SELECT $4::boolean[]), (SELECT $5::text[]),
(SELECT $6::text[]), (SELECT $7::bigint[]), (SELECT $8::bytea[])) ON CONFLICT (owner, id) DO UPDATE SET revision = excluded.revision,
deleted = excluded.deleted, schema_version = excluded.schema_version, client_id = excluded.client_id,
updated_at = excluded.updated_at, data = excluded.data`,
	remove: "DELETE FROM syncline_records AS r" + ofKeys + "WHERE r.owner = k.owner AND r.id = k.id",
}

var data = table{read: eachKey + `(SELECT data FROM syncline_records WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`}

var mutations = table{
	read: eachKey + `(SELECT digest, revisions, head, applied_at FROM syncline_mutations
WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`,
	insert: `INSERT INTO syncline_mutations (owner, id, digest, revisions, head, applied_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bytea[]), (SELECT $4::bytea[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[]))
ON CONFLICT (owner, id) DO UPDATE SET digest = excluded.digest, revisions = excluded.revisions,
head = excluded.head, applied_at = excluded.applied_at`, // one that was purged in this transaction is still there
	remove: "DELETE FROM syncline_mutations AS m" + ofKeys + "WHERE m.owner = k.owner AND m.id = k.id",
}
