package redisnonce

import (
	"context"
	"crypto/rand"

	"syncline/auth/signing"
)

// Probe tells whether Redis would remember a nonce now, by having it remember one of
// nobody's for a second.
func (n *Nonces) Probe(ctx context.Context) error {
	var nobody signing.PublicKey
	_, _ = rand.Read(nobody[:])
	a, err := n.remember(ctx, nobody, signing.NewNonce(), n.now().Add(-clockSkew))
	if err == nil && a.began {
		n.log.WarnContext(ctx, "Redis has forgotten nonces: signatures from before are refused")
		_, err = n.begin(ctx)
	}
	return err
}
