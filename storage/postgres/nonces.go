package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncline/storage/commit"
	"syncline/storage/row"
)

// nonces have ids that are bytes in the table. No lock guards a nonce: of two
// transactions that insert the same one, the second fails (see nonceTaken).
// Rows that expired are deleted only as they were read, for the same reason.
var nonces = table{
	read: `SELECT k.owner, k.id, r.* FROM unnest((SELECT $1::bytea[]), (SELECT $2::bytea[])) AS k(owner, id)
CROSS JOIN LATERAL (SELECT expires_at FROM syncline_nonces WHERE owner = k.owner AND nonce = k.id LIMIT 1) AS r`,
	bytes: true,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner, id []byte
			expiresAt int64
		)
		if err := rows.Scan(&owner, &id, &expiresAt); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Nonces, Owner: commit.Owner(owner), ID: string(id)}, expiresAt, nil
	},
	write: func(b *pgx.Batch, changes []commit.Change) {
		var (
			goneOwners, gone, owners, ids [][]byte
			goneExpiresAt, expiresAt      []int64
		)
		for i := range changes {
			c := &changes[i]
			owner, id := c.Key.Owner[:], []byte(c.Key.ID)
			if before, ok := c.Before.(int64); ok {
				goneOwners, gone, goneExpiresAt = append(goneOwners, owner), append(gone, id), append(goneExpiresAt, before)
			}
			if after, ok := c.After.(int64); ok {
				owners, ids, expiresAt = append(owners, owner), append(ids, id), append(expiresAt, after)
			}
		}
		if len(gone) > 0 {
			b.Queue(`DELETE FROM syncline_nonces AS n
USING unnest((SELECT $1::bytea[]), (SELECT $2::bytea[]), (SELECT $3::bigint[])) AS k(owner, nonce, expires_at)
WHERE n.owner = k.owner AND n.nonce = k.nonce AND n.expires_at = k.expires_at`, goneOwners, gone, goneExpiresAt)
		}
		if len(ids) > 0 {
			b.Queue(`INSERT INTO syncline_nonces (owner, nonce, expires_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bytea[]), (SELECT $3::bigint[]))`, owners, ids, expiresAt)
		}
	},
}

// nonceTaken tells whether another process inserted one of the nonces meanwhile:
// run again, the transaction finds it.
func nonceTaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && e.TableName == "syncline_nonces" // unique_violation
}
