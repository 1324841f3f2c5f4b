package sqlite

import (
	"database/sql/driver"

	"syncline/storage/commit"
	"syncline/storage/row"
)

var fences = table{
	name:    "fences",
	read:    "SELECT fence, used_at FROM syncline_locks WHERE owner = ? AND name = ?",
	columns: 2,
	keys:    2,
	scan: func(_ string, columns []driver.Value) any {
		return row.Fence{Token: integer(columns[0]), UsedAt: integer(columns[1])}
	},
	write: func(t *transaction, changes []commit.Change) error {
		return t.each(`INSERT INTO syncline_locks (owner, name, fence, used_at) VALUES (?, ?, ?, ?)
ON CONFLICT (owner, name) DO UPDATE SET fence = excluded.fence, used_at = excluded.used_at`, changes, func(c *commit.Change) []any {
			f := c.After.(row.Fence)
			return []any{c.Key.Owner[:], c.Key.ID, f.Token, f.UsedAt}
		})
	},
	remove: "DELETE FROM syncline_locks WHERE owner = ? AND name = ?",
}

var holds = table{
	name:    "holds of locks",
	read:    "SELECT instance_id, exclusive, token, expires_at FROM syncline_lock_holders WHERE owner = ? AND lock = ?",
	columns: 4,
	keys:    2,
	scan: func(_ string, columns []driver.Value) any {
		return []row.Hold{{
			InstanceID: text(columns[0]), Exclusive: integer(columns[1]) != 0,
			Token: integer(columns[2]), ExpiresAt: integer(columns[3]),
		}}
	},
	join: row.JoinHolds,
	write: func(t *transaction, changes []commit.Change) error {
		drop, err := t.prepare("DELETE FROM syncline_lock_holders WHERE owner = ? AND lock = ? AND instance_id = ?")
		if err != nil {
			return err
		}
		defer drop.Close() //nolint:errcheck // tells again what running it told
		keep, err := t.prepare(`INSERT INTO syncline_lock_holders (owner, lock, instance_id, exclusive, token, expires_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, lock, instance_id) DO UPDATE SET exclusive = excluded.exclusive,
token = excluded.token, expires_at = excluded.expires_at`)
		if err != nil {
			return err
		}
		defer keep.Close() //nolint:errcheck // tells again what running it told
		for i := range changes {
			key := &changes[i].Key
			stored, deleted := row.HoldsChanged(&changes[i])
			for _, instanceID := range deleted {
				if err := drop.exec(key.Owner[:], key.ID, instanceID); err != nil {
					return err
				}
			}
			for _, h := range stored {
				if err := keep.exec(key.Owner[:], key.ID, h.InstanceID, h.Exclusive, h.Token, h.ExpiresAt); err != nil {
					return err
				}
			}
		}
		return nil
	},
	remove: "DELETE FROM syncline_lock_holders WHERE owner = ? AND lock = ?",
}
