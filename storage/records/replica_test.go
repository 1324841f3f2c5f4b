package records_test

import (
	"context"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
)

// A retry may find its write in the database while the replica lacks it: the
// primary crashed before the first answer. To answer then would acknowledge what
// the replica's promotion loses.
func TestAReplayIsAnsweredWhenTheReplicaHasTheWrite(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	store := newStore(server.Open(t))
	request := set("a", 1)
	id := "once"
	request.MutationID = &id
	mustWrite(t, store, request)
	waitForReplica(t, server, "away")

	type answer struct {
		result record.Result
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		result, err := store.Write(t.Context(), owner, request)
		answered <- answer{result, err}
	}()
	testservers.Await(t, "the replay waits for the replica", func(ctx context.Context) bool {
		if len(answered) > 0 {
			t.Fatal("the replay is answered without the replica")
		}
		return server.Holds(ctx, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	})
	waitForReplica(t, server, "")
	a := <-answered
	if a.err != nil || !a.result.Replayed || a.result.Results[0].NewRevision != 1 {
		t.Errorf("%+v, %v; want the first result again", a.result, a.err)
	}
}

// waitForReplica makes commits wait for a replica of this name, or for none.
func waitForReplica(t *testing.T, server *testservers.Postgres, name string) {
	t.Helper()
	server.SQL("ALTER SYSTEM SET synchronous_standby_names = '" + name + "'")
	server.SQL("SELECT pg_reload_conf()")
	testservers.Await(t, "the setting is read", func(ctx context.Context) bool {
		return server.Holds(ctx, "SELECT current_setting('synchronous_standby_names') = '"+name+"'")
	})
	if name != "" { // the checkpointer makes commits wait, and reads the setting before it begins this
		server.SQL("CHECKPOINT")
	}
}
