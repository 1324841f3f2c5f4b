package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/noncetest"
	"syncline/auth/signing"
	"syncline/internal/clientaddr"
)

func TestMemoryNonces(t *testing.T) {
	t.Parallel()
	noncetest.Run(t, func(_ *testing.T, now func() time.Time) auth.NonceMemory {
		return auth.NewMemoryNonces(1000, now)
	})
}

func TestMemoryNoncesFullNeverForgetsEarly(t *testing.T) {
	t.Parallel()
	clock := noncetest.NewClock()
	m := auth.NewMemoryNonces(3, clock.Now)
	key := signing.PublicKey{2}
	until := clock.Now().Add(300 * time.Second)
	held := []signing.Nonce{signing.NewNonce(), signing.NewNonce(), signing.NewNonce()}
	for _, n := range held {
		if err := m.Remember(t.Context(), key, n, until); err != nil {
			t.Fatal(err)
		}
	}

	if err := m.Remember(t.Context(), key, signing.NewNonce(), until); !errors.Is(err, auth.ErrNonceMemoryFull) {
		t.Errorf("one more: %v, want ErrNonceMemoryFull", err)
	}
	for _, n := range held {
		if err := m.Remember(t.Context(), key, n, until); !errors.Is(err, auth.ErrNonceReused) {
			t.Errorf("one of those held: %v, want ErrNonceReused", err)
		}
	}

	clock.Advance(300*time.Second + time.Minute)
	if err := m.Remember(t.Context(), key, signing.NewNonce(), until.Add(300*time.Second)); err != nil {
		t.Errorf("after all expired: %v", err)
	}
	if m.Len() != 1 {
		t.Errorf("%d are held, want 1: the expired ones are gone", m.Len())
	}
}

// One key cannot fill the memory, and no address can with however many keys.
func TestMemoryNoncesHasSharesForAll(t *testing.T) {
	t.Parallel()
	clock := noncetest.NewClock()
	const capacity = 64_000
	m := auth.NewMemoryNonces(capacity, clock.Now)
	until := clock.Now().Add(300 * time.Second)
	fill := func(ctx context.Context, key signing.PublicKey) (n int, err error) {
		for ; err == nil && n <= capacity; n++ {
			err = m.Remember(ctx, key, signing.NewNonce(), until)
		}
		return n - 1, err
	}
	hostile := clientaddr.NewContext(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if n, err := fill(hostile, signing.PublicKey{2, 1}); !errors.Is(err, auth.ErrNonceShare) || n != capacity/16 {
		t.Errorf("a key got %d nonces in, then %v", n, err)
	}
	for i := range byte(200) {
		_, _ = fill(hostile, signing.PublicKey{2, 2, i})
	}
	if n := m.Len(); n != capacity/2 {
		t.Errorf("an address got %d nonces in", n)
	}
	honest := clientaddr.NewContext(t.Context(), netip.MustParseAddr("192.0.2.2"))
	if err := m.Remember(honest, signing.PublicKey{2, 3}, signing.NewNonce(), until); err != nil {
		t.Errorf("another: %v", err)
	}
	clock.Advance(400 * time.Second)
	if err := m.Remember(hostile, signing.PublicKey{2, 1}, signing.NewNonce(), clock.Now().Add(300*time.Second)); err != nil {
		t.Errorf("when its nonces are forgotten: %v", err)
	}
}

func TestMemoryNoncesForgetsOnlyWhatExpired(t *testing.T) {
	t.Parallel()
	clock := noncetest.NewClock()
	m := auth.NewMemoryNonces(100, clock.Now)
	key := signing.PublicKey{2}
	early, late := signing.NewNonce(), signing.NewNonce()
	start := clock.Now()
	for nonce, until := range map[signing.Nonce]time.Time{
		early: start.Add(100 * time.Second),
		late:  start.Add(300 * time.Second),
	} {
		if err := m.Remember(t.Context(), key, nonce, until); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(200 * time.Second)
	if err := m.Remember(t.Context(), key, late, start.Add(300*time.Second)); !errors.Is(err, auth.ErrNonceReused) {
		t.Errorf("the later one: %v, want ErrNonceReused", err)
	}
	if m.Len() != 1 {
		t.Errorf("%d are held, want 1", m.Len())
	}
}

func BenchmarkMemoryNonces(b *testing.B) {
	m := auth.NewMemoryNonces(auth.DefaultNonceCapacity, time.Now)
	key := signing.PublicKey{2}
	until := time.Now().Add(300 * time.Second)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Remember(b.Context(), key, signing.NewNonce(), until); err != nil {
			b.Fatal(err)
		}
	}
}
