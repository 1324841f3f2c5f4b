package records_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// However many write at once, through whatever instance, an owner gets as much as
// the quota says, and not one record more.
func TestAQuotaIsNeverExceeded(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, db := range []*storage.DB{testservers.SQLite(t), server.Open(t)} {
		quota := record.Quota{Records: 25, Bytes: 1000}
		stores := []record.Store{newStore(db), newStore(db)} // as two processes have them
		var wg sync.WaitGroup
		var written, refused atomic.Int64
		for n := range 60 {
			wg.Go(func() {
				request := set(fmt.Sprint(n), 10)
				request.Quota = quota
				_, err := stores[n%2].Write(t.Context(), owner, request)
				if _, exceeded := errors.AsType[*record.QuotaExceededError](err); exceeded {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				} else {
					written.Add(1)
				}
			})
		}
		wg.Wait()
		a, err := stores[0].Account(t.Context(), owner)
		if err != nil || a.RecordCount != 25 || a.Head != 25 || written.Load() != 25 || refused.Load() != 35 {
			t.Errorf("%s: %+v, %v; %d written, %d refused", db.Dialect, a, err, written.Load(), refused.Load())
		}
	}
}

// An owner's own quota goes before that of all, in each of its parts, from the next
// write on; an account that the operator made is one before anything is written.
func TestAnOwnersOwnQuota(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, db := range []*storage.DB{testservers.SQLite(t), server.Open(t)} {
		t.Run(db.Dialect, func(t *testing.T) {
			store, seen := newStore(db), map[string]record.Revision{}
			write := func(id string, bytes int, refused bool) {
				t.Helper()
				request := set(id, bytes)
				request.Writes[0].Revision = seen[id]
				request.Quota = record.Quota{Records: 2, Bytes: 100}
				result, err := store.Write(t.Context(), owner, request)
				exceeded, is := errors.AsType[*record.QuotaExceededError](err)
				if is != refused || !is && err != nil || !is && result.Status != record.Success {
					t.Fatalf("%s of %d bytes: %+v, %v %+v", id, bytes, result, err, exceeded)
				}
				if err == nil {
					seen[id] = result.Results[0].NewRevision
				}
			}
			own := func(q record.Quota, found bool) {
				t.Helper()
				if is, err := db.SetQuota(t.Context(), owner, q); is != found || err != nil {
					t.Fatalf("%v, %v", is, err)
				}
			}
			exists := func(want bool) {
				t.Helper()
				if a, err := store.Account(t.Context(), owner); a.Exists != want || err != nil {
					t.Fatalf("%+v, %v; want one that exists: %v", a, err, want)
				}
			}
			own(record.Quota{Records: 1}, false)
			exists(false)
			now := time.UnixMicro(7)
			if err := db.CreateOwner(t.Context(), owner, now); err != nil {
				t.Fatal(err)
			}
			exists(true)
			own(record.Quota{Records: 1}, true)
			write("a", 100, false)
			write("b", 0, true)
			write("a", 101, true) // the bytes are as for all
			own(record.Quota{Records: record.Unbounded, Bytes: 200}, true)
			write("b", 50, false)
			write("c", 50, false)
			write("d", 1, true)
			own(record.Quota{Records: 1, Bytes: 10}, true) // below what is there
			write("b", 51, true)
			write("b", 40, false)
			own(record.Quota{}, true)
			write("e", 0, true)
			if err := db.CreateOwner(t.Context(), owner, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if a := db.Read.Account.GetX(t.Context(), owner[:]); a.CreatedAt != now.UnixMicro() || a.RecordCount != 3 {
				t.Errorf("created twice: %+v", a)
			}
		})
	}
}
