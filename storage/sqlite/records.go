package sqlite

var epochs = table{
	name: "epochs",
	read: "SELECT epoch, base FROM syncline_epochs ORDER BY number DESC LIMIT 1",
}

var accounts = table{
	name: "accounts",
	read: `SELECT head, floor, record_count, stored_bytes, fence_token, created_at, tombstones, fences, mutation_bytes,
erased, holders, forgotten_token, quota_records, quota_bytes FROM syncline_accounts WHERE owner = ?`,
	keys: 1,
	insert: `INSERT INTO syncline_accounts (owner, head, floor, record_count, stored_bytes, fence_token,
created_at, tombstones, fences, mutation_bytes, erased, holders, forgotten_token)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET head = excluded.head, floor = excluded.floor,
record_count = excluded.record_count, stored_bytes = excluded.stored_bytes, fence_token = excluded.fence_token,
created_at = excluded.created_at, tombstones = excluded.tombstones, fences = excluded.fences, mutation_bytes = excluded.mutation_bytes, erased = excluded.erased,
holders = excluded.holders, forgotten_token = excluded.forgotten_token`,
}

var records = table{
	name: "records",
	read: `SELECT revision, deleted, schema_version, client_id, updated_at, coalesce(length(data), 0)
FROM syncline_records WHERE owner = ? AND id = ?`,
	keys: 2,
	insert: `INSERT INTO syncline_records (owner, id, revision, deleted, schema_version, client_id, updated_at, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, id) DO UPDATE SET revision = excluded.revision,
deleted = excluded.deleted, schema_version = excluded.schema_version, client_id = excluded.client_id,
updated_at = excluded.updated_at, data = excluded.data`,
	remove: "DELETE FROM syncline_records WHERE owner = ? AND id = ?",
}

var data = table{
	name: "data of records",
	read: "SELECT data FROM syncline_records WHERE owner = ? AND id = ?",
	keys: 2,
}

var mutations = table{
	name: "mutations",
	read: "SELECT digest, revisions, head, applied_at FROM syncline_mutations WHERE owner = ? AND id = ?",
	keys: 2,
	// One that was purged in this transaction is still there.
	insert: `INSERT INTO syncline_mutations (owner, id, digest, revisions, head, applied_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, id) DO UPDATE SET digest = excluded.digest, revisions = excluded.revisions,
head = excluded.head, applied_at = excluded.applied_at`,
	remove: "DELETE FROM syncline_mutations WHERE owner = ? AND id = ?",
}
