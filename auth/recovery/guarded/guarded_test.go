package guarded

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"syncline/auth/recovery"
)

// first is the first vector, read.
func first(t *testing.T) (digest [32]byte, signature [65]byte, key [33]byte) {
	t.Helper()
	for text, to := range map[string][]byte{vectors[0].digest: digest[:], vectors[0].signature: signature[:], vectors[0].key: key[:]} {
		if _, err := hex.Decode(to, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return digest, signature, key
}

// counted is the own arithmetic, and how often it was asked since the test at start.
type counted struct {
	calls  int
	broken bool
}

func (c *counted) recover(digest [32]byte, signature [65]byte) ([33]byte, error) {
	c.calls++
	key, err := recovery.PublicKey(digest, signature)
	if c.broken {
		key[32] ^= 1
	}
	return key, err
}

func ask(t *testing.T, r *Recovery) {
	t.Helper()
	digest, signature, want := first(t)
	if key, err := r.PublicKey(digest, signature); key != want || err != nil {
		t.Errorf("key %x and error %v, not %x", key, err, want)
	}
	if key, err := r.PublicKey(digest, [65]byte{}); key != [33]byte{} || err == nil {
		t.Errorf("an empty signature has the key %x", key)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode         Mode
		broken       bool
		ownIsAsked   bool
		inLog        string
		differencesN uint64
	}{
		{mode: Own, ownIsAsked: true},
		{mode: Own, broken: true, inLog: "failed its test at start"},
		{mode: Decred},
		{mode: Decred, broken: true},
		{mode: Shadow, ownIsAsked: true},
		{mode: Shadow, broken: true, ownIsAsked: true, inLog: "differs from decred's", differencesN: 2},
	} {
		var log bytes.Buffer
		own := &counted{broken: test.broken}
		r := newRecovery(test.mode, own.recover, slog.New(slog.NewTextHandler(&log, nil)))
		own.calls = 0
		ask(t, r)
		if (own.calls > 0) != test.ownIsAsked || r.Differences() != test.differencesN {
			t.Errorf("%+v: %d calls, %d differences", test, own.calls, r.Differences())
		}
		if !strings.Contains(log.String(), test.inLog) || (test.inLog == "") != (log.Len() == 0) {
			t.Errorf("%+v: the log is %q", test, log.String())
		}
	}
}

// A shadow also reports what one accepts and the other refuses.
func TestShadowComparesRefusals(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	refuses := func([32]byte, [65]byte) ([33]byte, error) { return [33]byte{}, errors.New("refused") }
	r := newRecovery(Shadow, refuses, slog.New(slog.NewTextHandler(&log, nil)))
	ask(t, r)
	if r.Differences() != 1 || !strings.Contains(log.String(), "signature="+vectors[0].signature) {
		t.Errorf("%d differences, log %q", r.Differences(), log.String())
	}
}

func TestNewUsesTheOwnArithmetic(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Own, Decred, Shadow} {
		ask(t, New(mode, slog.New(slog.DiscardHandler)))
	}
}

// On live traffic a wrong answer is found out, told, and is the last one.
func TestOwnIsRepeatedByDecred(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]recoverer{
		"another key": func(digest [32]byte, signature [65]byte) ([33]byte, error) {
			key, err := recovery.PublicKey(digest, signature)
			key[32] ^= 1
			return key, err
		},
		"a refusal": func([32]byte, [65]byte) ([33]byte, error) { return [33]byte{}, errors.New("refused") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var broken atomic.Bool
				r := newRecovery(Own, func(digest [32]byte, signature [65]byte) ([33]byte, error) {
					if broken.Load() {
						return wrong(digest, signature)
					}
					return recovery.PublicKey(digest, signature)
				}, slog.New(slog.NewTextHandler(&log, nil)))
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- r.Run(ctx) }()

				digest, signature, want := first(t)
				for range 20 * oneIn {
					if key, err := r.PublicKey(digest, signature); key != want || err != nil {
						t.Fatalf("key %x, %v", key, err)
					}
				}
				synctest.Wait()
				if r.Distrusted() || r.Differences() != 0 || log.Len() > 0 {
					t.Fatalf("a right answer is reported: %s", &log)
				}
				broken.Store(true)
				asked := 0
				for ; !r.Distrusted() && asked < 100*oneIn; asked++ {
					_, _ = r.PublicKey(digest, signature)
					synctest.Wait()
				}
				for range 10 {
					if key, err := r.PublicKey(digest, signature); key != want || err != nil {
						t.Fatalf("after %d answers: key %x, %v", asked, key, err)
					}
				}
				if !r.Distrusted() || r.Differences() != 1 || strings.Count(log.String(), "please report") != 1 ||
					!strings.Contains(log.String(), "signature="+vectors[0].signature) {
					t.Errorf("%d differences, log %q", r.Differences(), log.String())
				}
				stop()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// Requests do not wait for what is repeated.
func TestNobodyWaitsForARepetition(t *testing.T) {
	t.Parallel()
	r := New(Own, slog.New(slog.DiscardHandler)) // Run is not running
	digest, signature, want := first(t)
	full := false
	for more := 5 * oneIn; more > 0; {
		if full = full || len(r.repeat) == maxRepeats; full {
			more--
		}
		if key, err := r.PublicKey(digest, signature); key != want || err != nil {
			t.Fatalf("key %x, %v", key, err)
		}
	}
}

// The vectors are decred's answers.
func TestVectors(t *testing.T) {
	t.Parallel()
	if err := selfTest(byDecred); err != nil {
		t.Error(err)
	}
	accepted := 0
	for _, v := range vectors {
		if v.key != "" {
			accepted++
		}
	}
	if accepted < 8 || len(vectors)-accepted < 5 {
		t.Errorf("%d of %d vectors are accepted", accepted, len(vectors))
	}
}

func TestModeText(t *testing.T) {
	t.Parallel()
	var mode Mode
	for _, name := range []string{"own", "decred", "shadow"} {
		if err := mode.UnmarshalText([]byte(name)); err != nil || string(mode) != name {
			t.Errorf("%s: %q, %v", name, mode, err)
		}
	}
	if err := mode.UnmarshalText([]byte("Decred")); err == nil || mode != Shadow {
		t.Errorf("Decred: %q, %v", mode, err)
	}
}
