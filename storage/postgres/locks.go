package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/storage/commit"
	"syncline/storage/row"
)

var fences = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT fence, used_at FROM syncline_locks
WHERE owner = k.owner AND name = k.id LIMIT 1) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner []byte
			name  string
			fence row.Fence
		)
		if err := rows.Scan(&owner, &name, &fence.Token, &fence.UsedAt); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Fences, Owner: commit.Owner(owner), ID: name}, fence, nil
	},
	write: func(b *pgx.Batch, changes []commit.Change) {
		n := len(changes)
		owners, names := make([][]byte, n), make([]string, n)
		tokens, usedAt := make([]int64, n), make([]int64, n)
		for i := range changes {
			f := changes[i].After.(row.Fence)
			owners[i], names[i], tokens[i], usedAt[i] = changes[i].Key.Owner[:], changes[i].Key.ID, f.Token, f.UsedAt
		}
		b.Queue(`INSERT INTO syncline_locks (owner, name, fence, used_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]))
ON CONFLICT (owner, name) DO UPDATE SET fence = excluded.fence, used_at = excluded.used_at`, owners, names, tokens, usedAt)
	},
	remove: "DELETE FROM syncline_locks AS f" + ofKeys + "WHERE f.owner = k.owner AND f.name = k.id",
}

// clock is read after the accounts are locked: a transaction may have waited.
var clock = table{
	read: "SELECT clock_timestamp()",
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var now time.Time
		err := rows.Scan(&now)
		return row.PresentTime, now.UTC(), err
	},
}

var holds = table{
	read: "SELECT k.owner, k.id, r.*" + eachKey + `(SELECT instance_id, exclusive, token, expires_at FROM syncline_lock_holders
WHERE owner = k.owner AND lock = k.id OFFSET 0) AS r`,
	scan: func(rows pgx.Rows) (commit.Key, any, error) {
		var (
			owner []byte
			name  string
			hold  row.Hold
		)
		if err := rows.Scan(&owner, &name, &hold.InstanceID, &hold.Exclusive, &hold.Token, &hold.ExpiresAt); err != nil {
			return commit.Key{}, nil, err
		}
		return commit.Key{Table: row.Holds, Owner: commit.Owner(owner), ID: name}, []row.Hold{hold}, nil
	},
	join: row.JoinHolds,
	write: func(b *pgx.Batch, changes []commit.Change) {
		var (
			goneOwners, owners       [][]byte
			goneNames, names         []string
			goneInstances, instances []string
			exclusive                []bool
			tokens, expiresAt        []int64
		)
		for i := range changes {
			owner, name := changes[i].Key.Owner[:], changes[i].Key.ID
			stored, deleted := row.HoldsChanged(&changes[i])
			for _, instanceID := range deleted {
				goneOwners, goneNames, goneInstances = append(goneOwners, owner), append(goneNames, name), append(goneInstances, instanceID)
			}
			for _, h := range stored {
				owners, names, instances = append(owners, owner), append(names, name), append(instances, h.InstanceID)
				exclusive, tokens, expiresAt = append(exclusive, h.Exclusive), append(tokens, h.Token), append(expiresAt, h.ExpiresAt)
			}
		}
		if len(goneOwners) > 0 {
			b.Queue(`DELETE FROM syncline_lock_holders AS h
USING unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::text[])) AS k(owner, lock, instance_id)
WHERE h.owner = k.owner AND h.lock = k.lock AND h.instance_id = k.instance_id`, goneOwners, goneNames, goneInstances)
		}
		if len(owners) > 0 {
			b.Queue(`INSERT INTO syncline_lock_holders (owner, lock, instance_id, exclusive, token, expires_at)
SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $4::boolean[]), (SELECT $5::bigint[]),
(SELECT $6::bigint[])) ON CONFLICT (owner, lock, instance_id) DO UPDATE SET exclusive = excluded.exclusive,
token = excluded.token, expires_at = excluded.expires_at`, owners, names, instances, exclusive, tokens, expiresAt)
		}
	},
	remove: "DELETE FROM syncline_lock_holders AS h" + ofKeys + "WHERE h.owner = k.owner AND h.lock = k.id",
}
