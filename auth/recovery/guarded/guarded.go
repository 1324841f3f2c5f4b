// Package guarded chooses who recovers public keys from signatures: Syncline's
// own arithmetic, which is fast, or decred's, which is older and known to more
// people. The own one answers only after it has passed a test in this process.
package guarded

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// Mode says who recovers keys.
type Mode string

const (
	// Own is Syncline's own arithmetic, if it passes its test at start, else decred's.
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
}

// New makes the Recovery of a mode. It takes a millisecond or two: tables are
// built, and the own arithmetic is tested. If that fails, it is logged, and
// decred's is used.
func New(mode Mode, log *slog.Logger) *Recovery {
	return newRecovery(mode, recovery.PublicKey, log)
}

func newRecovery(mode Mode, own recoverer, log *slog.Logger) *Recovery {
	r := &Recovery{answer: byDecred, log: log}
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
		r.answer = own
	}
	return r
}

// PublicKey is the key that made a compact signature of a digest, as
// recovery.PublicKey gives it.
func (r *Recovery) PublicKey(digest [32]byte, signature [65]byte) ([33]byte, error) {
	return r.answer(digest, signature)
}

// Differences counts the answers of the own arithmetic in Shadow mode that were
// not decred's. Anything but 0 is a grave fault.
func (r *Recovery) Differences() uint64 { return r.differences.Load() }

func (r *Recovery) shadow(own recoverer) recoverer {
	return func(digest [32]byte, signature [65]byte) ([33]byte, error) {
		key, err := byDecred(digest, signature)
		ownKey, ownErr := own(digest, signature)
		if ownKey != key || (ownErr == nil) != (err == nil) {
			r.differences.Add(1)
			r.log.Error("signature recovery differs from decred's, which was believed: please report this line",
				"digest", hex.EncodeToString(digest[:]), "signature", hex.EncodeToString(signature[:]),
				"key", hex.EncodeToString(ownKey[:]), "decred", hex.EncodeToString(key[:]))
		}
		return key, err
	}
}

func byDecred(digest [32]byte, signature [65]byte) ([33]byte, error) {
	key, _, err := ecdsa.RecoverCompact(signature[:], digest[:])
	if err != nil {
		return [33]byte{}, err
	}
	return [33]byte(key.SerializeCompressed()), nil
}
