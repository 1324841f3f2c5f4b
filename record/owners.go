package record

import (
	"context"
	"errors"
)

// ErrUnknownOwner says that the owner has no account, and that none is made for the
// request.
var ErrUnknownOwner = errors.New("this server takes no new users: its operator has to let your key in")

// AdmitOwners has requests refused, as ErrUnknownOwner, that would make an account
// where mayBegin does not allow it. It is called before the service is used.
func (s *Service) AdmitOwners(mayBegin func(ctx context.Context) bool) { s.mayBegin = mayBegin }

// Admit is nil for an owner who has an account, or for whom the request may make one.
// An account stays, so what it says of one holds. Errors are ErrUnknownOwner,
// *UnavailableError or the context's.
func (s *Service) Admit(ctx context.Context, owner Owner) error {
	if s.mayBegin == nil || s.mayBegin(ctx) {
		return nil
	}
	account, err := s.store.Account(ctx, owner)
	if err == nil && !account.Exists {
		err = ErrUnknownOwner
	}
	return err
}
