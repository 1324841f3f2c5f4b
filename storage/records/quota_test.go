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
	url := server.NewURL(t)
	var opened []*storage.DB // each with connections of its own, as two processes have them
	for range 2 {
		db, err := storage.OpenPostgres(t.Context(), url, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		opened = append(opened, db)
	}
	if err := opened[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := testservers.SQLite(t)
	for _, dbs := range [][]*storage.DB{{file, file}, opened} {
		for i, test := range []struct {
			quota   record.Quota
			records int // of each write, with 10 bytes each
			fit     int64
		}{
			{record.Quota{Records: 25, Bytes: 1000}, 1, 25},
			{record.Quota{Records: 1000, Bytes: 259}, 1, 25},
			{record.Quota{Records: 25, Bytes: 1000}, 3, 24}, // a batch that would be one record over is refused whole
			{record.Quota{Records: 1000, Bytes: 259}, 3, 24},
		} {
			stores := []record.Store{newStore(dbs[0]), newStore(dbs[1])}
			testNeverExceeded(t, stores, record.Owner{0: 2, 32: byte(10 + i)}, test.quota, test.records, test.fit)
		}
	}
}

func testNeverExceeded(t *testing.T, stores []record.Store, owner record.Owner, quota record.Quota, records int, fit int64) {
	t.Helper()
	var wg sync.WaitGroup
	var written, refused atomic.Int64
	for n := range 60 {
		wg.Go(func() {
			request := record.Request{Kind: record.KindBatch, Quota: quota}
			for i := range records {
				request.Writes = append(request.Writes, record.Write{ID: fmt.Sprint(n, "-", i), Data: make([]byte, 10)})
			}
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
	if err != nil || a.RecordCount != fit || a.StoredBytes != 10*fit || int64(a.Head) != fit || int64(records)*written.Load() != fit || written.Load()+refused.Load() != 60 {
		t.Errorf("%+v, writes of %d records: %+v, %v; %d written, %d refused", quota, records, a, err, written.Load(), refused.Load())
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
