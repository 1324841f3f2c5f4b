package auth_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
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

// Each of many addresses takes what it can, one after the other: one that comes
// then still gets what an honest one needs.
func TestMemoryNoncesManyAddressesLeaveRoom(t *testing.T) {
	t.Parallel()
	clock := noncetest.NewClock()
	const capacity, hostile, needed = 100_000, 25, 300
	m := auth.NewMemoryNonces(capacity, clock.Now)
	until := clock.Now().Add(300 * time.Second)
	fill := func(address byte, most int) (n int, err error) {
		ctx := clientaddr.NewContext(t.Context(), netip.AddrFrom4([4]byte{192, 0, 2, address}))
		for ; n < most; n++ { // each by a key of its own
			if err = m.Remember(ctx, signing.PublicKey{2, address, byte(n), byte(n >> 8), byte(n >> 16)}, signing.NewNonce(), until); err != nil {
				break
			}
		}
		return n, err
	}
	for address := range byte(hostile) {
		if n, err := fill(address, capacity); !errors.Is(err, auth.ErrNonceShare) {
			t.Fatalf("address %d got %d nonces in, then %v", address, n, err)
		}
	}
	if n, err := fill(hostile, needed); err != nil {
		t.Errorf("after %d nonces of %d addresses, another got %d in, then %v", m.Len()-n, hostile, n, err)
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

// The dearest nonces: each of a key of its own.
func BenchmarkMemoryNoncesBytes(b *testing.B) {
	ctx := clientaddr.NewContext(b.Context(), netip.MustParseAddr("2001:db8::1"))
	until := time.Now().Add(300 * time.Second)
	for b.Loop() {
		const count = 500_000
		m := auth.NewMemoryNonces(2*count, time.Now)
		before := heapBytes()
		for i := range uint32(count) {
			key := signing.PublicKey{2}
			binary.BigEndian.PutUint32(key[1:], i)
			if err := m.Remember(ctx, key, signing.NewNonce(), until); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heapBytes()-before)/count, "B/nonce")
		runtime.KeepAlive(m)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
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
