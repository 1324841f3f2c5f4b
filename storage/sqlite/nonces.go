package sqlite

import (
	"database/sql/driver"

	"syncline/storage/commit"
)

// nonces have ids that are bytes in the table.
var nonces = table{
	name:    "nonces",
	read:    "SELECT expires_at FROM syncline_nonces WHERE owner = ? AND nonce = CAST(? AS BLOB)",
	columns: 1,
	keys:    2,
	scan:    func(_ string, columns []driver.Value) any { return integer(columns[0]) },
	write: func(t *transaction, changes []commit.Change) error {
		return t.each(`INSERT INTO syncline_nonces (owner, nonce, expires_at) VALUES (?, ?, ?)
ON CONFLICT (owner, nonce) DO UPDATE SET expires_at = excluded.expires_at`, changes, func(c *commit.Change) []any {
			return []any{c.Key.Owner[:], []byte(c.Key.ID), c.After}
		})
	},
	remove: "DELETE FROM syncline_nonces WHERE owner = ? AND nonce = CAST(? AS BLOB)",
}
