package nonces_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/ent"
	"syncline/internal/testservers"
	"syncline/storage"
	"syncline/storage/nonces"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	run(t, testservers.SQLite)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	run(t, server.Open)
}

func run(t *testing.T, open func(testing.TB) *storage.DB) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *ent.Client)
	}{
		{"a nonce serves once", testOnce},
		{"one of many racers wins", testRace},
		{"many that come at once", testMany},
		{"expired ones are forgotten", testSweep},
		{"an expired one serves one racer again", testExpiredRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t).Write)
		})
	}
}

var (
	start = time.Unix(1_800_000_000, 0)
	key   = signing.PublicKey{2, 1}
	nonce = signing.Nonce{1}
)

func testOnce(t *testing.T, client *ent.Client) {
	ctx, now := t.Context(), start
	until := start.Add(5 * time.Minute)
	memory := nonces.New(client, func() time.Time { return now })
	assert(t, memory.Remember(ctx, key, nonce, until), nil)
	assert(t, memory.Remember(ctx, key, nonce, until), auth.ErrNonceReused)
	assert(t, memory.Remember(ctx, key, signing.Nonce{2}, until), nil)
	assert(t, memory.Remember(ctx, signing.PublicKey{2, 2}, nonce, until), nil)

	restarted := nonces.New(client, func() time.Time { return now })
	assert(t, restarted.Remember(ctx, key, nonce, until), auth.ErrNonceReused)
	now = until
	assert(t, restarted.Remember(ctx, key, nonce, until), auth.ErrNonceReused)

	gone, cancel := context.WithCancel(ctx)
	cancel()
	err := memory.Remember(gone, key, signing.Nonce{3}, until)
	if err == nil || errors.Is(err, auth.ErrNonceReused) {
		t.Errorf("a request that is gone: %v", err)
	}
}

func testRace(t *testing.T, client *ent.Client) {
	race(t, nonces.New(client, func() time.Time { return start }))
}

// Those that are written together do not stand or fall together: of two equal
// ones one is refused, and whose request is gone holds up nobody.
func testMany(t *testing.T, client *ent.Client) {
	memory := nonces.New(client, func() time.Time { return start })
	gone, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var reused atomic.Int64
	for i := range 500 {
		ctx, id := t.Context(), signing.Nonce{byte(i / 2), byte(i / 2 >> 8)}
		if i >= 490 {
			ctx = gone
		}
		wg.Go(func() {
			err := memory.Remember(ctx, key, id, start.Add(time.Hour))
			if errors.Is(err, auth.ErrNonceReused) {
				reused.Add(1)
			} else if err != nil && ctx != gone {
				t.Error(err)
			}
		})
	}
	cancel()
	wg.Wait()
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{1: 9}, start.Add(time.Hour)), nil)
	if n := reused.Load(); n < 245 || n > 250 {
		t.Errorf("%d of 250 that came again are refused", n)
	}
	if n := client.Nonce.Query().CountX(t.Context()); n < 246 || n > 251 {
		t.Errorf("%d nonces are kept of 251", n)
	}
}

func testExpiredRace(t *testing.T, client *ent.Client) {
	now := start
	memory := nonces.New(client, func() time.Time { return now })
	assert(t, memory.Remember(t.Context(), key, nonce, start), nil)
	now = start.Add(time.Second) // no sweep is due yet
	race(t, memory)
}

func race(t *testing.T, memory *nonces.Nonces) {
	t.Helper()
	var (
		wg  sync.WaitGroup
		won atomic.Int64
	)
	for range 16 {
		wg.Go(func() {
			err := memory.Remember(t.Context(), key, nonce, start.Add(time.Hour))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, auth.ErrNonceReused) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d racers won", won.Load())
	}
}

func testSweep(t *testing.T, client *ent.Client) {
	now := start
	memory := nonces.New(client, func() time.Time { return now })
	assert(t, memory.Remember(t.Context(), key, nonce, start.Add(time.Minute)), nil)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{2}, start.Add(time.Hour)), nil)
	now = start.Add(2 * time.Minute)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{3}, start.Add(time.Hour)), nil)
	if n := client.Nonce.Query().CountX(t.Context()); n != 2 {
		t.Errorf("%d nonces are kept, want the 2 that still matter", n)
	}
}

func assert(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
