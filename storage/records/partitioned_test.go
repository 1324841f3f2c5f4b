package records_test

import (
	"testing"

	"syncline/internal/testservers"
	"syncline/record/recordtest"
)

// On tables that lie in parts by owner all is as on whole ones, and what writes and reads
// looks into the parts of the owners that it names alone: docs/scale.md builds on that.
func TestStoreOnPartitionedPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPartitionedPostgres(t)
	t.Run("suite", func(t *testing.T) {
		recordtest.Run(t, func(t *testing.T) recordtest.Harness { return harness(server.Open(t)) })
	})
	t.Run("pulls", func(t *testing.T) { testPulls(t, server.Open(t)) })
	server.RequireOwnersNamed(t, []string{
		"FROM syncline_accounts WHERE owner = k.owner LIMIT 1 FOR UPDATE",
		"INSERT INTO syncline_accounts (owner) SELECT",
		"INSERT INTO syncline_accounts (owner, head,",
		"LATERAL (SELECT revision, deleted,",
		"LATERAL (SELECT data FROM syncline_records",
		"INSERT INTO syncline_records",
		"FROM syncline_mutations",
		"INSERT INTO syncline_mutations",
		"FROM syncline_locks",
		"FROM syncline_erasures",
		"INSERT INTO syncline_erasures",
		"DELETE FROM syncline_locks",
		"DELETE FROM syncline_lock_holders",
		"DELETE FROM syncline_restored_heads",
		"LEFT JOIN syncline_accounts ON owner = $1",
		"SELECT id, revision, deleted, schema_version, client_id, updated_at, data FROM syncline_records WHERE owner = $1",
		`SELECT "syncline_records"."id"`,
		`UPDATE "syncline_accounts" SET "pulls"`,
		`SELECT "syncline_accounts"."owner", "syncline_accounts"."pulls" FROM`,
		`SELECT "syncline_accounts"."owner", "syncline_accounts"."head" FROM "syncline_accounts" WHERE "syncline_accounts"."owner" IN ($1, $2, $3, $4)`,
	}, []string{ // a new epoch
		"INSERT INTO syncline_restored_heads",
		`SELECT "syncline_accounts"."fence_token"`,
		`SELECT "syncline_accounts"."head" FROM "syncline_accounts" ORDER BY`,
		`SELECT "syncline_locks"."fence" FROM "syncline_locks" ORDER BY`,
	})
}
