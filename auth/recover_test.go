package auth_test

import (
	"errors"
	"testing"

	"syncline/auth"
	"syncline/auth/recovery"
)

// A verifier believes the recovery that it was given.
func TestGivenRecovery(t *testing.T) {
	t.Parallel()
	asked := 0
	var refusal error
	s := newService(t, nil, auth.Options{Recover: func(digest [32]byte, signature [65]byte) ([33]byte, error) {
		asked++
		if refusal != nil {
			return [33]byte{}, refusal
		}
		return recovery.PublicKey(digest, signature)
	}})
	if got := s.send(newDraft(t, kindPost, "first").request()); got != "" || asked != 1 {
		t.Errorf("refused as %q, asked %d times", got, asked)
	}
	refusal = errors.New("no key")
	if got := s.send(newDraft(t, kindPost, "second").request()); got != string(auth.CodeUnauthenticated) || asked != 2 {
		t.Errorf("refused as %q, asked %d times", got, asked)
	}
}
