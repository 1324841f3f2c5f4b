package postgres

import (
	"github.com/jackc/pgx/v5"

	"syncline/storage/commit"
	"syncline/storage/row"
)

var erasures = table{
	read: "SELECT k.owner, r.*" + eachKey + `(SELECT erased FROM syncline_erasures WHERE owner = k.owner LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner  []byte
			erased int64
		)
		if err := rows.Scan(&owner, &erased); err != nil {
			return commit.Key{}, nil, err
		}
		return row.ErasureOf(commit.Owner(owner)), erased, nil
	},
	write: func(b *pgx.Batch, changes []commit.Change) {
		owners, erased := make([][]byte, len(changes)), make([]int64, len(changes))
		for i := range changes {
			owners[i], erased[i] = changes[i].Key.Owner[:], changes[i].After.(int64)
		}
		b.Queue(`INSERT INTO syncline_erasures (owner, erased) SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bigint[]))
ON CONFLICT (owner) DO UPDATE SET erased = excluded.erased`, owners, erased)
	},
	remove: "DELETE FROM syncline_erasures AS e" + ofKeys + "WHERE e.owner = k.owner",
}

var (
	allFences     = table{remove: "DELETE FROM syncline_locks AS l" + ofKeys + "WHERE l.owner = k.owner"}
	allHolders    = table{remove: "DELETE FROM syncline_lock_holders AS h" + ofKeys + "WHERE h.owner = k.owner"}
	restoredHeads = table{remove: "DELETE FROM syncline_restored_heads AS h" + ofKeys + "WHERE h.owner = k.owner"}
)
