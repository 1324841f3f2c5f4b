package config

import "fmt"

// NewOwners says who may become an owner.
type NewOwners string

// Who may.
const (
	OwnersOpen        NewOwners = "open"        // everybody
	OwnersCertificate NewOwners = "certificate" // who has one
	OwnersClosed      NewOwners = "closed"      // for whom the operator makes an account
)

// UnmarshalText reads open, certificate and closed.
func (n *NewOwners) UnmarshalText(text []byte) error {
	switch NewOwners(text) {
	case OwnersOpen, OwnersCertificate, OwnersClosed:
		*n = NewOwners(text)
		return nil
	}
	return fmt.Errorf("%q is neither open, certificate nor closed", text)
}
