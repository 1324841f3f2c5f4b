package sqlite

import (
	"database/sql/driver"
	"time"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

var epochs = table{
	name:    "epochs",
	read:    "SELECT epoch, base FROM syncline_epochs ORDER BY number DESC LIMIT 1",
	columns: 2,
	scan: func(_ string, columns []driver.Value) any {
		epoch := row.Epoch{Base: integer(columns[1])}
		copy(epoch.Name[:], blob(columns[0]))
		return epoch
	},
}

var accounts = table{
	name: "accounts",
	read: `SELECT head, floor, record_count, stored_bytes, fence_token, created_at, tombstones, fences, mutation_bytes,
quota_records, quota_bytes, erased, holders, forgotten_token FROM syncline_accounts WHERE owner = ?`,
	columns: 14,
	keys:    1,
	scan: func(_ string, columns []driver.Value) any {
		return row.Account{
			Head: integer(columns[0]), Floor: integer(columns[1]),
			RecordCount: integer(columns[2]), StoredBytes: integer(columns[3]),
			FenceToken: integer(columns[4]), CreatedAt: integer(columns[5]),
			Tombstones: integer(columns[6]), Fences: integer(columns[7]), MutationBytes: integer(columns[8]),
			QuotaRecords: integer(columns[9]), QuotaBytes: integer(columns[10]), Erased: integer(columns[11]),
			Holders: integer(columns[12]), Forgotten: integer(columns[13]),
		}
	},
	write: func(t *transaction, changes []commit.Change) error {
		return t.each(`INSERT INTO syncline_accounts (owner, head, floor, record_count, stored_bytes, fence_token,
created_at, tombstones, fences, mutation_bytes, erased, holders, forgotten_token)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET head = excluded.head, floor = excluded.floor,
record_count = excluded.record_count, stored_bytes = excluded.stored_bytes, fence_token = excluded.fence_token,
created_at = excluded.created_at, tombstones = excluded.tombstones, fences = excluded.fences, mutation_bytes = excluded.mutation_bytes, erased = excluded.erased,
holders = excluded.holders, forgotten_token = excluded.forgotten_token`,
			changes, func(c *commit.Change) []any {
				a := c.After.(row.Account)
				return []any{
					c.Key.Owner[:], a.Head, a.Floor, a.RecordCount, a.StoredBytes, a.FenceToken,
					a.CreatedAt, a.Tombstones, a.Fences, a.MutationBytes, a.Erased, a.Holders, a.Forgotten,
				}
			})
	},
	remove: "DELETE FROM syncline_accounts WHERE owner = ?1 AND ?2 = ''",
}

var records = table{
	name: "records",
	read: `SELECT revision, deleted, schema_version, client_id, updated_at, coalesce(length(data), 0)
FROM syncline_records WHERE owner = ? AND id = ?`,
	columns: 6,
	keys:    2,
	scan: func(id string, columns []driver.Value) any {
		return &record.Stored{
			Record: record.Record{
				ID:            id,
				Revision:      record.Revision(integer(columns[0])),
				Deleted:       integer(columns[1]) != 0,
				SchemaVersion: text(columns[2]),
				ClientID:      text(columns[3]),
				UpdatedAt:     time.UnixMicro(integer(columns[4])).UTC(),
			},
			DataBytes: integer(columns[5]),
		}
	},
	write: func(t *transaction, changes []commit.Change) error {
		return t.each(`INSERT INTO syncline_records (owner, id, revision, deleted, schema_version, client_id, updated_at, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, id) DO UPDATE SET revision = excluded.revision,
deleted = excluded.deleted, schema_version = excluded.schema_version, client_id = excluded.client_id,
updated_at = excluded.updated_at, data = excluded.data`,
			changes, func(c *commit.Change) []any {
				r := c.After.(*record.Stored)
				var data any
				if !r.Deleted {
					data = r.Data
				}
				return []any{c.Key.Owner[:], c.Key.ID, int64(r.Revision), r.Deleted, r.SchemaVersion, r.ClientID, r.UpdatedAt.UnixMicro(), data}
			})
	},
	remove: "DELETE FROM syncline_records WHERE owner = ? AND id = ?",
}

var data = table{
	name:    "data of records",
	read:    "SELECT data FROM syncline_records WHERE owner = ? AND id = ?",
	columns: 1,
	keys:    2,
	scan:    func(_ string, columns []driver.Value) any { return blob(columns[0]) },
}

// forgotten is for a mutation id that was purged and is used again in one
// transaction: it is still there.
const forgotten = ` ON CONFLICT (owner, id) DO UPDATE SET digest = excluded.digest, revisions = excluded.revisions,
head = excluded.head, applied_at = excluded.applied_at`

var mutations = table{
	name:    "mutations",
	read:    "SELECT digest, revisions, head, applied_at FROM syncline_mutations WHERE owner = ? AND id = ?",
	columns: 4,
	keys:    2,
	scan: func(_ string, columns []driver.Value) any {
		return &row.Mutation{Digest: blob(columns[0]), Revisions: blob(columns[1]), Head: integer(columns[2]), AppliedAt: integer(columns[3])}
	},
	write: func(t *transaction, changes []commit.Change) error {
		return t.each("INSERT INTO syncline_mutations (owner, id, digest, revisions, head, applied_at) VALUES (?, ?, ?, ?, ?, ?)"+forgotten,
			changes, func(c *commit.Change) []any {
				m := c.After.(*row.Mutation)
				return []any{c.Key.Owner[:], c.Key.ID, m.Digest, m.Revisions, m.Head, m.AppliedAt}
			})
	},
	remove: "DELETE FROM syncline_mutations WHERE owner = ? AND id = ?",
}
