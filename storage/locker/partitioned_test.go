package locker_test

import (
	"testing"

	"syncline/internal/testservers"
)

// On tables that lie in parts by owner locks are as on whole ones, and each statement but
// those of sweeps looks into the parts of the owners that it names alone.
func TestPartitionedPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPartitionedPostgres(t)
	t.Run("suite", func(t *testing.T) { testPostgres(t, server.Open) })
	server.RequireOwnersNamed(t, []string{
		"LATERAL (SELECT fence, used_at FROM syncline_locks",
		"INSERT INTO syncline_locks",
		"DELETE FROM syncline_locks",
		"LATERAL (SELECT instance_id, exclusive, token, expires_at FROM syncline_lock_holders",
		"INSERT INTO syncline_lock_holders",
		"DELETE FROM syncline_lock_holders",
	}, []string{ // the search of sweeps, in pages; what is found is deleted by its owner
		`SELECT "syncline_accounts"."owner"`,
		`SELECT "syncline_erasures"."owner"`,
		`SELECT "syncline_lock_holders"."instance_id"`,
		`SELECT "syncline_locks"."name", "syncline_locks"."owner" FROM "syncline_locks" WHERE "syncline_locks"."used_at" <`,
		`SELECT "syncline_records"."id", "syncline_records"."owner", "syncline_records"."revision"`,
	})
}
