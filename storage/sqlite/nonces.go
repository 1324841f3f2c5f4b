package sqlite

// nonces have ids that are bytes in the table.
var nonces = table{
	name:   "nonces",
	read:   "SELECT expires_at FROM syncline_nonces WHERE owner = ? AND nonce = CAST(? AS BLOB)",
	keys:   2,
	insert: "INSERT INTO syncline_nonces (owner, nonce, expires_at) VALUES (?, ?, ?)",
	remove: "DELETE FROM syncline_nonces WHERE owner = ? AND nonce = ? AND expires_at = ?",
}
