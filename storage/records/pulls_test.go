package records_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/records"
)

func TestPulls(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { testPulls(t, testservers.SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { testPulls(t, testservers.StartPostgres(t).Open(t)) })
}

// testPulls counts pulls, each once, of owners who have an account.
func testPulls(t *testing.T, db *storage.DB) {
	engine := db.NewEngine()
	defer engine.Close(context.Background())
	store := records.New(db, engine)
	owners := []record.Owner{{0: 2, 32: 1}, {0: 2, 32: 2}, {0: 2, 32: 3}}
	for _, owner := range owners[:2] {
		if err := db.CreateOwner(t.Context(), owner, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	mustBe := func(want map[record.Owner]int64) {
		t.Helper()
		got, err := store.AskedToPull(t.Context(), owners)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	mustBe(map[record.Owner]int64{owners[0]: 0, owners[1]: 0})
	const times = 20
	var group errgroup.Group
	for range times {
		for _, owner := range []record.Owner{owners[1], owners[2]} {
			group.Go(func() error { return store.AskToPull(t.Context(), owner) })
		}
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	mustBe(map[record.Owner]int64{owners[0]: 0, owners[1]: times}) // the third has no account
}
