package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

var epochs = table{
	read: "SELECT epoch, base FROM syncline_epochs ORDER BY number DESC LIMIT 1",
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			epoch row.Epoch
			name  []byte
		)
		err := rows.Scan(&name, &epoch.Base)
		copy(epoch.Name[:], name)
		return row.PresentEpoch, epoch, err
	},
}

const (
	// What a transaction locks its owners by, and reads of them.
	lockAccounts = `(SELECT head, floor, erased, record_count, stored_bytes, fence_token, created_at, tombstones, fences, mutation_bytes,
quota_records, quota_bytes, holders, forgotten_token FROM syncline_accounts WHERE owner = k.owner LIMIT 1 FOR UPDATE`

	// What a newer transaction inserted meanwhile is not returned: it is locked.
	makeAccounts = `INSERT INTO syncline_accounts (owner) SELECT k.owner FROM unnest((SELECT $1::bytea[])) AS k(owner)
WHERE (SELECT true FROM syncline_accounts AS a WHERE a.owner = k.owner LIMIT 1) IS NULL
ON CONFLICT DO NOTHING RETURNING owner`
)

func scanAccount(rows pgx.Rows) (commit.Key, row.Account, error) {
	var (
		owner []byte
		a     row.Account
	)
	err := rows.Scan(&owner, &a.Head, &a.Floor, &a.Erased, &a.RecordCount, &a.StoredBytes, &a.FenceToken,
		&a.CreatedAt, &a.Tombstones, &a.Fences, &a.MutationBytes, &a.QuotaRecords, &a.QuotaBytes, &a.Holders, &a.Forgotten)
	if err != nil {
		return commit.Key{}, a, err
	}
	return row.AccountOf(commit.Owner(owner)), a, nil
}

var accounts = table{
	write: func(b *pgx.Batch, changes []commit.Change) {
		n := len(changes)
		owners, heads, floors, erased := make([][]byte, n), make([]int64, n), make([]int64, n), make([]int64, n)
		counts, sizes, tokens := make([]int64, n), make([]int64, n), make([]int64, n)
		created, tombstones := make([]int64, n), make([]int64, n)
		fences, mutations := make([]int64, n), make([]int64, n)
		holders, forgotten := make([]int64, n), make([]int64, n)
		for i := range changes {
			a := changes[i].After.(row.Account)
			owners[i], heads[i], floors[i], erased[i] = changes[i].Key.Owner[:], a.Head, a.Floor, a.Erased
			counts[i], sizes[i], tokens[i] = a.RecordCount, a.StoredBytes, a.FenceToken
			created[i], tombstones[i], fences[i], mutations[i] = a.CreatedAt, a.Tombstones, a.Fences, a.MutationBytes
			holders[i], forgotten[i] = a.Holders, a.Forgotten
		}
		b.Queue(`INSERT INTO syncline_accounts (owner, head, floor, record_count, stored_bytes, fence_token,
created_at, tombstones, fences, mutation_bytes, erased, holders, forgotten_token)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[]), (SELECT $7::bigint[]), (SELECT $8::bigint[]), (SELECT $9::bigint[]), (SELECT $10::bigint[]), (SELECT $11::bigint[]),
(SELECT $12::bigint[]), (SELECT $13::bigint[]))
ON CONFLICT (owner) DO UPDATE SET head = excluded.head, floor = excluded.floor,
record_count = excluded.record_count, stored_bytes = excluded.stored_bytes, fence_token = excluded.fence_token,
created_at = excluded.created_at, tombstones = excluded.tombstones, fences = excluded.fences, mutation_bytes = excluded.mutation_bytes,
erased = excluded.erased, holders = excluded.holders, forgotten_token = excluded.forgotten_token`,
			owners, heads, floors, counts, sizes, tokens, created, tombstones, fences, mutations, erased, holders, forgotten)
	},
	remove: "DELETE FROM syncline_accounts AS a" + ofKeys + "WHERE a.owner = k.owner AND k.id = ''",
}

var records = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT revision, deleted, schema_version, client_id, updated_at,
coalesce(length(data), 0) FROM syncline_records WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner     []byte
			r         record.Stored
			updatedAt int64
		)
		err := rows.Scan(&owner, &r.ID, &r.Revision, &r.Deleted, &r.SchemaVersion, &r.ClientID, &updatedAt, &r.DataBytes)
		if err != nil {
			return commit.Key{}, nil, err
		}
		r.UpdatedAt = time.UnixMicro(updatedAt).UTC()
		return commit.Key{Table: row.Records, Owner: commit.Owner(owner), ID: r.ID}, &r, nil
	},
	write: func(b *pgx.Batch, changes []commit.Change) {
		var (
			n              = len(changes)
			owners         = make([][]byte, n)
			ids            = make([]string, n)
			revisions      = make([]int64, n)
			deleted        = make([]bool, n)
			schemaVersions = make([]string, n)
			clientIDs      = make([]string, n)
			updatedAt      = make([]int64, n)
			data           = make([][]byte, n)
		)
		for i := range changes {
			r := changes[i].After.(*record.Stored)
			owners[i], ids[i], revisions[i] = changes[i].Key.Owner[:], r.ID, int64(r.Revision)
			deleted[i], schemaVersions[i], clientIDs[i] = r.Deleted, r.SchemaVersion, r.ClientID
			updatedAt[i], data[i] = r.UpdatedAt.UnixMicro(), r.Data
		}
		b.Queue(`INSERT INTO syncline_records (owner, id, revision, deleted, schema_version, client_id, updated_at, data)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bigint[]), (SELECT $4::boolean[]), (SELECT $5::text[]),
(SELECT $6::text[]), (SELECT $7::bigint[]), (SELECT $8::bytea[])) ON CONFLICT (owner, id) DO UPDATE SET revision = excluded.revision,
deleted = excluded.deleted, schema_version = excluded.schema_version, client_id = excluded.client_id,
updated_at = excluded.updated_at, data = excluded.data`,
			owners, ids, revisions, deleted, schemaVersions, clientIDs, updatedAt, data)
	},
	remove: "DELETE FROM syncline_records AS r" + ofKeys + "WHERE r.owner = k.owner AND r.id = k.id",
}

var data = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT data FROM syncline_records
WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner, data []byte
			id          string
		)
		if err := rows.Scan(&owner, &id, &data); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Data, Owner: commit.Owner(owner), ID: id}, data, nil
	},
}

var mutations = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT digest, revisions, head, applied_at FROM syncline_mutations
WHERE owner = k.owner AND id = k.id LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner []byte
			id    string
			m     row.Mutation
		)
		if err := rows.Scan(&owner, &id, &m.Digest, &m.Revisions, &m.Head, &m.AppliedAt); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Mutations, Owner: commit.Owner(owner), ID: id}, &m, nil
	},
	write: func(b *pgx.Batch, changes []commit.Change) {
		n := len(changes)
		owners, ids := make([][]byte, n), make([]string, n)
		heads, times := make([]int64, n), make([]int64, n)
		digests, revisions := make([][]byte, n), make([][]byte, n)
		for i := range changes {
			m := changes[i].After.(*row.Mutation)
			owners[i], ids[i], heads[i] = changes[i].Key.Owner[:], changes[i].Key.ID, m.Head
			digests[i], revisions[i], times[i] = m.Digest, m.Revisions, m.AppliedAt
		}
		b.Queue(`INSERT INTO syncline_mutations (owner, id, digest, revisions, head, applied_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bytea[]), (SELECT $4::bytea[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[]))
ON CONFLICT (owner, id) DO UPDATE SET digest = excluded.digest, revisions = excluded.revisions,
head = excluded.head, applied_at = excluded.applied_at`, // one that was purged in this transaction is still there
			owners, ids, digests, revisions, heads, times)
	},
	remove: "DELETE FROM syncline_mutations AS m" + ofKeys + "WHERE m.owner = k.owner AND m.id = k.id",
}
