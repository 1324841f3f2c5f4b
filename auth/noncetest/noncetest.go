// Package noncetest is the conformance suite of auth.NonceMemory.
package noncetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
)

// Clock is a clock that a test sets.
type Clock struct{ unix atomic.Int64 }

// NewClock makes a clock that begins at the present second.
func NewClock() *Clock {
	c := new(Clock)
	c.unix.Store(time.Now().Unix())
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Unix(c.unix.Load(), 0) }

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

// Run tests a NonceMemory. open makes an empty one, for one test; a memory that
// goes by a clock of its own may leave the given one alone.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) auth.NonceMemory) {
	tests := map[string]func(*testing.T, auth.NonceMemory, *Clock){
		"a nonce serves once":                    servesOnce,
		"nonces are a key's own":                 areAKeysOwn,
		"another expiry does not make it new":    anotherExpiry,
		"it is remembered to its last second":    toItsLastSecond,
		"one of many racers wins":                oneOfManyWins,
		"what is remembered does not fade early": manyTogether,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := NewClock()
			test(t, open(t, clock.Now), clock)
		})
	}
}

func servesOnce(t *testing.T, m auth.NonceMemory, clock *Clock) {
	nonce := signing.NewNonce()
	until := clock.Now().Add(auth.MaxAge)
	isNew(t, m, key(2), nonce, until)
	isReused(t, m, key(2), nonce, until)
	isReused(t, m, key(2), nonce, until)
	isNew(t, m, key(2), signing.NewNonce(), until)
}

func areAKeysOwn(t *testing.T, m auth.NonceMemory, clock *Clock) {
	nonce := signing.NewNonce()
	until := clock.Now().Add(auth.MaxAge)
	isNew(t, m, key(2), nonce, until)
	isNew(t, m, key(3), nonce, until)
	isReused(t, m, key(2), nonce, until)
	isReused(t, m, key(3), nonce, until)
}

func anotherExpiry(t *testing.T, m auth.NonceMemory, clock *Clock) {
	nonce := signing.NewNonce()
	now := clock.Now()
	isNew(t, m, key(2), nonce, now.Add(auth.MaxAge))
	isReused(t, m, key(2), nonce, now.Add(auth.MaxAge+60*time.Second))
	isReused(t, m, key(2), nonce, now.Add(time.Second))
}

func toItsLastSecond(t *testing.T, m auth.NonceMemory, clock *Clock) {
	nonce := signing.NewNonce()
	until := clock.Now().Add(auth.MaxAge)
	isNew(t, m, key(2), nonce, until)
	for range 10 {
		clock.Advance(auth.MaxAge / 10)
		isNew(t, m, key(2), signing.NewNonce(), until) // lets it sweep
		isReused(t, m, key(2), nonce, until)
	}
}

func oneOfManyWins(t *testing.T, m auth.NonceMemory, clock *Clock) {
	nonce := signing.NewNonce()
	until := clock.Now().Add(auth.MaxAge)
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			switch err := m.Remember(context.Background(), key(2), nonce, until); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, auth.ErrNonceReused):
				t.Errorf("a loser got %v, want ErrNonceReused", err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d racers won, want 1", wins.Load())
	}
}

func manyTogether(t *testing.T, m auth.NonceMemory, clock *Clock) {
	until := clock.Now().Add(auth.MaxAge)
	nonces := make([]signing.Nonce, 50)
	for i := range nonces {
		nonces[i] = signing.NewNonce()
		isNew(t, m, key(2), nonces[i], until.Add(time.Duration(i)*time.Second))
	}
	for _, nonce := range nonces {
		isReused(t, m, key(2), nonce, until)
	}
}

// key makes keys that differ in their first byte.
func key(first byte) signing.PublicKey { return signing.PublicKey{first, 32: 1} }

func isNew(t *testing.T, m auth.NonceMemory, k signing.PublicKey, n signing.Nonce, until time.Time) {
	t.Helper()
	if err := m.Remember(t.Context(), k, n, until); err != nil {
		t.Fatalf("a new nonce: %v", err)
	}
}

func isReused(t *testing.T, m auth.NonceMemory, k signing.PublicKey, n signing.Nonce, until time.Time) {
	t.Helper()
	if err := m.Remember(t.Context(), k, n, until); !errors.Is(err, auth.ErrNonceReused) {
		t.Fatalf("a nonce again: %v, want ErrNonceReused", err)
	}
}
