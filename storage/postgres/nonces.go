package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// nonces have ids that are bytes in the table. No lock guards a nonce: of two
// transactions that insert the same one, the second fails (see nonceTaken).
// Rows that expired are deleted only as they were read, for the same reason.
var nonces = table{
	read: `SELECT k.owner, k.id, r.* FROM unnest((SELECT $1::bytea[]), (SELECT $2::bytea[])) AS k(owner, id)
CROSS JOIN LATERAL (SELECT expires_at FROM syncline_nonces WHERE owner = k.owner AND nonce = k.id LIMIT 1) AS r`,
	insert: `INSERT INTO syncline_nonces (owner, nonce, expires_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bytea[]), (SELECT $3::bigint[]))`,
	remove: `DELETE FROM syncline_nonces AS n
USING unnest((SELECT $1::bytea[]), (SELECT $2::bytea[]), (SELECT $3::bigint[])) AS k(owner, nonce, expires_at)
WHERE n.owner = k.owner AND n.nonce = k.nonce AND n.expires_at = k.expires_at`,
}

// nonceTaken tells whether another process inserted one of the nonces meanwhile:
// run again, the transaction finds it. A part of a table that lies in parts goes by
// the table's name with something added.
func nonceTaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && strings.HasPrefix(e.TableName, "syncline_nonces") // unique_violation
}
