package sqlite

import (
	"database/sql/driver"

	"syncline/storage/commit"
)

var erasures = table{
	name:    "erasures",
	read:    "SELECT erased FROM syncline_erasures WHERE owner = ?",
	columns: 1,
	keys:    1,
	scan:    func(_ string, columns []driver.Value) any { return integer(columns[0]) },
	write: func(t *transaction, changes []commit.Change) error {
		return t.each("INSERT INTO syncline_erasures (owner, erased) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET erased = excluded.erased",
			changes, func(c *commit.Change) []any { return []any{c.Key.Owner[:], c.After.(int64)} })
	},
	remove: "DELETE FROM syncline_erasures WHERE owner = ?1 AND ?2 = ''",
}

var (
	allFences     = table{name: "all fences", keys: 1, remove: "DELETE FROM syncline_locks WHERE owner = ?1 AND ?2 = ''"}
	allHolders    = table{name: "all holders", keys: 1, remove: "DELETE FROM syncline_lock_holders WHERE owner = ?1 AND ?2 = ''"}
	restoredHeads = table{name: "restored heads", keys: 1, remove: "DELETE FROM syncline_restored_heads WHERE owner = ?1 AND ?2 = ''"}
)
