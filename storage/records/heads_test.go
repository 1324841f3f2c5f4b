package records_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// A poll asks for as many owners as there happen to be. Each statement that is
// prepared for that stays, on both sides of each connection: with thousands of
// owners a megabyte each.
func TestHeadsOfAnyNumberTakeFewStatements(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	address := server.NewURL(t)
	open := func(connections int) *storage.DB {
		db, err := storage.OpenPostgres(t.Context(), address, connections)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	if err := open(2).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := open(1) // whose statements are all there are
	store := newStore(db)
	owners := make([]record.Owner, 100)
	for i := range owners {
		owners[i] = record.Owner{0: 2}
		binary.BigEndian.PutUint32(owners[i][1:], uint32(i))
		if _, err := store.Write(t.Context(), owners[i], set("a", 1)); err != nil {
			t.Fatal(err)
		}
		heads, err := store.Heads(t.Context(), owners[:i+1])
		if err != nil || len(heads) != i+1 || heads[owners[i]] != 1 {
			t.Fatalf("of %d owners: %v, %v", i+1, heads, err)
		}
	}
	rows, err := db.Read.QueryContext(t.Context(), "SELECT statement FROM pg_prepared_statements")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	lists := 0
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(statement, " IN (") {
			lists++
		}
	}
	if err := rows.Err(); err != nil || lists == 0 || lists > 8 {
		t.Errorf("%d statements with lists are prepared, want 1 to 8: one for each power of two; error %v", lists, err)
	}
}
