package postgres

var (
	erasures = table{
		read: eachKey + `(SELECT erased FROM syncline_erasures WHERE owner = k.owner LIMIT 1) AS r`,
		insert: `INSERT INTO syncline_erasures (owner, erased) SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bigint[]))
ON CONFLICT (owner) DO UPDATE SET erased = excluded.erased`,
		remove: "DELETE FROM syncline_erasures AS e" + ofKeys + "WHERE e.owner = k.owner",
	}
	allFences     = table{remove: "DELETE FROM syncline_locks AS l" + ofKeys + "WHERE l.owner = k.owner"}
	allHolders    = table{remove: "DELETE FROM syncline_lock_holders AS h" + ofKeys + "WHERE h.owner = k.owner"}
	restoredHeads = table{remove: "DELETE FROM syncline_restored_heads AS h" + ofKeys + "WHERE h.owner = k.owner"}
)
