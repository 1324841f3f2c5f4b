package records_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent/account"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// The trap of PostgreSQL: a single statement that locks the counter row, judges
// and writes, judges by what was committed before it waited for the lock. Two
// that wait at once then both win. The store locks by a statement of its own;
// the same race catches a store that does not.
func TestWritersThatWaitedAreJudgedByWhatTheyWaitedFor(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	t.Run("the store", func(t *testing.T) {
		db := server.Open(t)
		if won := winners(t, db, func(ctx context.Context) (bool, error) {
			result, err := newStore(db).Write(ctx, owner, update(1)) // each on an instance of its own
			return result.Status == record.Success, err
		}); won != 1 {
			t.Errorf("%d of two writers at one revision won", won)
		}
	})
	t.Run("a single statement", func(t *testing.T) {
		db := server.Open(t)
		if won := winners(t, db, func(ctx context.Context) (bool, error) {
			result, err := db.Write.ExecContext(ctx, singleStatement, owner[:])
			if err != nil {
				return false, err
			}
			written, err := result.RowsAffected()
			return written == 1, err
		}); won != 2 {
			t.Errorf("%d writers won: this race would not catch the trap", won)
		}
	})
}

func update(seen record.Revision) record.Request {
	return record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "a", Data: []byte("x"), Revision: seen}}}
}

// singleStatement updates record a at revision 1, and looks right.
const singleStatement = `
WITH bumped AS (UPDATE syncline_accounts SET head = head + 1 WHERE owner = $1 RETURNING head),
     judged AS (SELECT id FROM syncline_records WHERE owner = $1 AND id = 'a' AND revision = 1)
INSERT INTO syncline_records (owner, id, revision, updated_at, data)
SELECT $1, judged.id, bumped.head, 0, 'x' FROM bumped, judged
ON CONFLICT (owner, id) DO UPDATE SET revision = excluded.revision, data = excluded.data`

// winners has two writers update record a at revision 1 at once: both wait for
// the owner's row before either goes on.
func winners(t *testing.T, db *storage.DB, write func(context.Context) (won bool, err error)) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	mustWrite(t, newStore(db), update(0))
	holder, err := db.Write.Tx(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	holder.Account.Query().Where(account.ID(owner[:])).ForUpdate().OnlyX(ctx)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			ok, err := write(ctx)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	awaitWaiting(ctx, t, db, 2)
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return int(won.Load())
}

// awaitWaiting waits until so many connections wait for a lock.
func awaitWaiting(ctx context.Context, t *testing.T, db *storage.DB, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for waiting(ctx, t, db) < want {
		<-tick.C
	}
}

func waiting(ctx context.Context, t *testing.T, db *storage.DB) int {
	t.Helper()
	rows, err := db.Read.QueryContext(ctx, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n, err := entsql.ScanInt(rows)
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	return n
}
