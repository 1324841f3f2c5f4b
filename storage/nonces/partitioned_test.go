package nonces_test

import (
	"testing"

	"syncline/internal/testservers"
)

// On tables that lie in parts by owner nonces are remembered as on whole ones, and each
// statement but that of the sweep looks into the parts of the owners that it names alone.
func TestPartitionedPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPartitionedPostgres(t)
	t.Run("suite", func(t *testing.T) { run(t, server.Open) })
	t.Run("one of racers in several processes wins", func(t *testing.T) { testRaceOfProcesses(t, server) })
	t.Run("another process is remembering it", func(t *testing.T) { testRememberedMeanwhile(t, server) })
	server.RequireOwnersNamed(t,
		[]string{"LATERAL (SELECT expires_at FROM syncline_nonces", "INSERT INTO syncline_nonces", "DELETE FROM syncline_nonces"},
		[]string{`SELECT "syncline_nonces"."nonce"`, "SELECT COUNT("}) // the sweep, and what tests count
}
