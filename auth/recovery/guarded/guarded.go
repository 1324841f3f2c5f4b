// Package guarded chooses who recovers public keys from signatures: Syncline's
// own arithmetic, which is fast, or decred's, which is older and known to more
// people. The own one answers only after it has passed a test in this process, and
// as long as decred's, which repeats one in a thousand, agrees.
package guarded

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// Mode says who recovers keys.
type Mode string

const (
	// Own is Syncline's own arithmetic, if it passes its test at start, else
	// decred's. Run repeats some by decred's, which answers from the first
	// difference on.
	Own Mode = "own"
	// Decred is decred's alone.
	Decred Mode = "decred"
	// Shadow asks both, believes decred's, and reports where the own one differs.
	Shadow Mode = "shadow"
)

// UnmarshalText reads a mode as an operator writes it.
func (m *Mode) UnmarshalText(text []byte) error {
	switch mode := Mode(text); mode {
	case Own, Decred, Shadow:
		*m = mode
		return nil
	}
	return fmt.Errorf("%q is not own, decred or shadow", text)
}

// recoverer is the form of recovery.PublicKey.
type recoverer func(digest [32]byte, signature [65]byte) ([33]byte, error)

// Recovery recovers public keys. It is safe for concurrent use.
type Recovery struct {
	answer      recoverer
	log         *slog.Logger
	differences atomic.Uint64

	repeat     chan sample // answers of the own arithmetic, for Run
	distrusted atomic.Bool // the own arithmetic was wrong
}

// sample is an answer of the own arithmetic.
type sample struct {
	digest    [32]byte
	signature [65]byte
	key       [33]byte
	err       error
}

const (
	// oneIn is how many answers there are to one that is repeated. Which one is
	// chance, so that nobody can keep out of its way.
	oneIn = 1000
	// maxRepeats is how many wait to be repeated. More are let go.
	maxRepeats = 16
)

// New makes the Recovery of a mode. It takes a millisecond or two: tables are
// built, and the own arithmetic is tested. If that fails, it is logged, and
// decred's is used.
func New(mode Mode, log *slog.Logger) *Recovery {
	return newRecovery(mode, recovery.PublicKey, log)
}

func newRecovery(mode Mode, own recoverer, log *slog.Logger) *Recovery {
	r := &Recovery{answer: byDecred, log: log, repeat: make(chan sample, maxRepeats)}
	if mode == Decred {
		return r
	}
	err := selfTest(own)
	if err != nil {
		log.Error("signature recovery failed its test at start: decred's answers instead", "error", err)
	}
	switch {
	case mode == Shadow:
		r.answer = r.shadow(own)
	case err == nil:
		r.answer = r.sampled(own)
	}
	return r
}

// sampled has the own arithmetic answer as long as it is trusted, and hands some of
// its answers to Run. It does not wait for that.
func (r *Recovery) sampled(own recoverer) recoverer {
	return func(digest [32]byte, signature [65]byte) ([33]byte, error) {
		if r.distrusted.Load() {
			return byDecred(digest, signature)
		}
		key, err := own(digest, signature)
		if rand.N(oneIn) == 0 { //nolint:gosec // spreads the samples, guards nothing
			select {
			case r.repeat <- sample{digest, signature, key, err}:
			default: // busy
			}
		}
		return key, err
	}
}

// Run repeats samples of the own arithmetic's answers by decred's, one at a time,
// until ctx ends.
func (r *Recovery) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-r.repeat:
			if key, err := byDecred(s.digest, s.signature); r.differs(s, key, err) {
				r.distrusted.Store(true)
			}
		}
	}
}

// Distrusted tells whether decred's answers because the own arithmetic was wrong
// since the start.
func (r *Recovery) Distrusted() bool { return r.distrusted.Load() }

// PublicKey is the key that made a compact signature of a digest, as
// recovery.PublicKey gives it.
func (r *Recovery) PublicKey(digest [32]byte, signature [65]byte) ([33]byte, error) {
	return r.answer(digest, signature)
}

// Differences counts the answers of the own arithmetic that were not decred's,
// where both were asked. Anything but 0 is a grave fault.
func (r *Recovery) Differences() uint64 { return r.differences.Load() }

func (r *Recovery) shadow(own recoverer) recoverer {
	return func(digest [32]byte, signature [65]byte) ([33]byte, error) {
		key, err := byDecred(digest, signature)
		ownKey, ownErr := own(digest, signature)
		r.differs(sample{digest, signature, ownKey, ownErr}, key, err)
		return key, err
	}
}

// differs compares an answer of the own arithmetic with decred's, and reports a
// difference.
func (r *Recovery) differs(own sample, key [33]byte, err error) bool {
	if own.key == key && (own.err == nil) == (err == nil) {
		return false
	}
	r.differences.Add(1)
	r.log.Error("signature recovery differs from decred's, which is believed from now on: please report this line",
		"digest", hex.EncodeToString(own.digest[:]), "signature", hex.EncodeToString(own.signature[:]),
		"key", hex.EncodeToString(own.key[:]), "decred", hex.EncodeToString(key[:]))
	return true
}

func byDecred(digest [32]byte, signature [65]byte) ([33]byte, error) {
	key, _, err := ecdsa.RecoverCompact(signature[:], digest[:])
	if err != nil {
		return [33]byte{}, err
	}
	return [33]byte(key.SerializeCompressed()), nil
}
