package records_test

import (
	"strconv"
	"testing"

	"syncline/internal/testservers"
	"syncline/storage"
)

// What the store allocates for a write of one record that shares its transaction with no other:
// 183 times on SQLite and 332 on PostgreSQL. A busy machine does not change that, as it does
// change times, so this is how the cost of a write is watched.
func TestWriteAllocatesLittle(t *testing.T) { // not parallel: others' allocations would be counted
	server := testservers.StartPostgres(t)
	for name, on := range map[string]struct {
		open func(testing.TB) *storage.DB
		most float64
	}{
		"SQLite":     {testservers.SQLite, 195},
		"PostgreSQL": {server.Open, 350},
	} {
		store := newStore(on.open(t))
		n := 0
		write := func() {
			n++
			request := set("r"+strconv.Itoa(n), 0)
			request.Writes[0].Data = make([]byte, 1024)
			if _, err := store.Write(t.Context(), someOwner(1), request); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 { // the account is made, and statements are prepared
			write()
		}
		all := testing.AllocsPerRun(200, write)
		if all > on.most && !testservers.RaceDetector { // which has pools forget, and allocates itself
			t.Errorf("%s: %.0f allocations, want at most %.0f", name, all, on.most)
		}
	}
}
