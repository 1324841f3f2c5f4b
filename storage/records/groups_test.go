package records_test

import (
	"context"
	"os"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/record/recordtest"
	"syncline/storage"
	"syncline/storage/records"
)

// long runs are for make verify; make test runs the same tests, shorter.
var long = os.Getenv("SYNCLINE_VERIFY") != ""

const poison = "poison"

// manyGroups is how many groups a long run tries. The race detector, which
// makes of seconds minutes, has fewer to look at.
func manyGroups() int {
	if testservers.RaceDetector {
		return 5_000
	}
	return 100_000
}

// A group of any requests comes to what they would come to one by one.
func TestGroupsOnSQLite(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	exec(t, db, `CREATE TRIGGER poison BEFORE INSERT ON syncline_records WHEN new.id = 'poison'
		BEGIN SELECT raise(ABORT, 'poison'); END`)
	groups := 3000
	if long {
		groups = manyGroups()
	}
	recordtest.RunGroups(t, grouped(db), groups)
}

func TestPostgresGroups(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, db *storage.DB)
	}{
		{"any requests", testGroupsOnPostgres},
		{"one transaction", testAGroupIsOneTransaction},
		{"a slow commit is shared", testASlowCommitIsShared},
		{"a locked owner holds up nobody else", testALockedOwnerHoldsUpNobodyElse},
		{"a new owner holds up nobody else", testANewOwnerHoldsUpNobodyElse},
		{"a commit whose outcome is lost", testAGroupWhoseCommitIsLost},
		{"a group that gives way", testAGroupThatGivesWay},
		{"a panic", testPanic},
		{"lookups go by the index", testLookupsGoByTheIndex},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, server.Open(t))
		})
	}
}

func testGroupsOnPostgres(t *testing.T, db *storage.DB) {
	exec(t, db, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$`)
	exec(t, db, `CREATE TRIGGER poison BEFORE INSERT ON syncline_records FOR EACH ROW
		WHEN (new.id = 'poison') EXECUTE FUNCTION refuse()`)
	groups := 500
	if long {
		groups = manyGroups() / 10
	}
	recordtest.RunGroups(t, grouped(db), groups)
}

func grouped(db *storage.DB) recordtest.Grouped {
	h := harness(db)
	store := h.Store.(*records.Store)
	return recordtest.Grouped{Harness: h, Poison: poison, Together: func(submissions []recordtest.Submission) []recordtest.Outcome {
		release := store.Hold()
		ending, end := context.WithCancel(context.Background())
		var waits []func() (record.Result, error)
		for _, s := range submissions {
			ctx := context.Background()
			if s.Ends {
				ctx = ending
			}
			waits = append(waits, store.Submit(ctx, s.Owner, s.Request))
		}
		end()
		release()
		outcomes := make([]recordtest.Outcome, len(submissions))
		for i, wait := range waits {
			outcomes[i].Result, outcomes[i].Err = wait()
		}
		return outcomes
	}}
}
