package guarded

import (
	"bytes"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"testing"

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
