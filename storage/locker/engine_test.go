package locker_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/nonces"
	"syncline/storage/records"
)

// What waits at the same time is one transaction, whatever it is: PostgreSQL notes
// at each row which one made it.
func TestLocksWritesAndNoncesShareATransaction(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	db := server.Open(t)
	engine := db.NewEngine()
	store, inDB, memory := records.New(db, engine), locker.New(db, engine), nonces.New(db, engine, time.Now)
	ctx := t.Context()
	key := signing.PublicKey{2, 7}
	if err := memory.Remember(ctx, key, signing.Nonce{1}, time.Now().Add(time.Hour)); err != nil { // and sweeps
		t.Fatal(err)
	}
	resume := engine.Pause()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := store.Write(ctx, alice, record.Request{Writes: []record.Write{{ID: "a", Data: []byte("a")}}}); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if grant, err := inDB.Acquire(ctx, ownerNumber(1), exclusive("a", "me")); err != nil || grant.Token != 1 {
			t.Error(grant, err)
		}
	})
	wg.Go(func() {
		if err := memory.Remember(ctx, key, signing.Nonce{2}, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
	})
	testservers.Await(t, "three units wait", func(context.Context) bool { return engine.Waiting() == 3 })
	resume()
	wg.Wait()
	if !holds(t, db, `SELECT count(DISTINCT x) = 1 AND count(*) = 4 FROM (SELECT xmin::text AS x FROM syncline_records
UNION ALL SELECT xmin::text FROM syncline_lock_holders UNION ALL SELECT xmin::text FROM syncline_locks
UNION ALL SELECT xmin::text FROM syncline_nonces WHERE nonce = (SELECT nonce FROM syncline_nonces ORDER BY nonce DESC LIMIT 1)) AS made`) {
		t.Error("a write, a lock and a nonce that waited together took several transactions")
	}
}

func holds(t *testing.T, db *storage.DB, statement string) (yes bool) {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&yes); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return yes
}

// A grant is two round trips to PostgreSQL, and three if the owner is new.
func TestRoundTripsOfAGrant(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	wire := countTrips(t, server.Address)
	address := server.NewURL(t)
	open(t, address) // migrates, by more than one connection
	db, err := storage.OpenPostgres(t.Context(), strings.Replace(address, server.Address, wire.address, 1), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	inDB := locker.New(db, db.NewEngine())
	trips := func(f func()) int64 {
		before := wire.trips.Load()
		f()
		return wire.trips.Load() - before
	}
	grant := func(owner locks.Owner) func() {
		return func() {
			if grant, err := inDB.Acquire(t.Context(), owner, exclusive("a", "me")); err != nil || !grant.Acquired {
				t.Errorf("%+v, %v", grant, err)
			}
		}
	}
	release := func() {
		if lock, err := inDB.Release(t.Context(), locks.Key{Owner: alice, Name: "a"}, "me"); err != nil || lock.Locked() {
			t.Errorf("%+v, %v", lock, err)
		}
	}
	grant(ownerNumber(1))() // the connection prepares its statements once
	grant(ownerNumber(1))()
	grant(ownerNumber(2))()
	for _, c := range []struct {
		name string
		do   func()
		most int64
	}{
		{"a grant to a new owner", grant(alice), 3},
		{"a renewal", grant(alice), 2},
		{"a release", release, 3}, // prepares the statements that delete
		{"a grant", grant(alice), 2},
		{"a release again", release, 2},
	} {
		if n := trips(c.do); n > c.most || n == 0 {
			t.Errorf("%s takes %d round trips, want %d", c.name, n, c.most)
		}
	}
}

// wire is a proxy that counts how often a client speaks after the server did.
type wire struct {
	address string
	trips   atomic.Int64
}

func countTrips(t *testing.T, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			var answered atomic.Bool
			running.Go(func() {
				pass(server, client, func(said []byte) {
					// A connection that idled for a second is asked first whether it is there.
					if !bytes.Contains(said, []byte("-- ping")) && answered.Swap(false) {
						w.trips.Add(1)
					}
				})
			})
			running.Go(func() { pass(client, server, func([]byte) { answered.Store(true) }) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return w
}

// pass copies until either side closes, and closes both.
func pass(to, from net.Conn, before func([]byte)) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			before(buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
