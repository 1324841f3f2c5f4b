package postgres

import (
	"github.com/jackc/pgx/v5"

	"syncline/storage/commit"
	"syncline/storage/row"
)

var fences = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT fence FROM syncline_locks
WHERE owner = k.owner AND name = k.id LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner []byte
			name  string
			fence int64
		)
		if err := rows.Scan(&owner, &name, &fence); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Fences, Owner: commit.Owner(owner), ID: name}, fence, nil
	},
}
