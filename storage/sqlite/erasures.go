package sqlite

var (
	erasures = table{
		name:   "erasures",
		read:   "SELECT erased FROM syncline_erasures WHERE owner = ?",
		keys:   1,
		insert: "INSERT INTO syncline_erasures (owner, erased) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET erased = excluded.erased",
		remove: "DELETE FROM syncline_erasures WHERE owner = ?1 AND ?2 = ''",
	}
	allFences     = table{name: "all fences", remove: "DELETE FROM syncline_locks WHERE owner = ?1 AND ?2 = ''"}
	allHolders    = table{name: "all holders", remove: "DELETE FROM syncline_lock_holders WHERE owner = ?1 AND ?2 = ''"}
	restoredHeads = table{name: "restored heads", remove: "DELETE FROM syncline_restored_heads WHERE owner = ?1 AND ?2 = ''"}
)
