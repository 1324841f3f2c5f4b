package record

import "context"

// Erasure is what erasing an owner's data did.
type Erasure struct {
	Records int64 // live ones that were erased
	// Revision is the one that the erasure took. Nothing that was written before is
	// seen any more, and each cursor from before is too old. It is 0 if the owner had
	// never begun: nothing changed then.
	Revision Revision
	Epoch    Epoch
	// Forgotten is the newest fence token that was taken for any of the owner's locks.
	Forgotten FenceToken
	Replayed  bool // an earlier request with this mutation id had done it already
}

// Cursor is the position right after the erasure: of an owner who has nothing.
func (e Erasure) Cursor() Cursor { return CursorAt(e.Epoch, e.Revision) }

// JudgeErasure says what erasing does to an owner, or refuses it with
// ErrMutationIDReused. state needs no records and no fence. Where the erasure was
// not done already, account is what is left of the owner's, and mutation is to be
// remembered under mutationID; nil if that is.
//
// The erasure takes a revision of its own, which becomes head and floor: a reader
// who had read all stands at the head of before, and must learn of it too.
func JudgeErasure(state State, mutationID *string) (result Erasure, account Account, mutation *Mutation, err error) {
	digest := Request{Kind: KindErase}.Digest()
	if m := state.Mutation; m != nil {
		if m.Digest != digest || len(m.Revisions) != 2 {
			return Erasure{}, state.Account, nil, ErrMutationIDReused
		}
		return Erasure{Revision: m.Revisions[0], Records: int64(m.Revisions[1]), Epoch: state.Epoch, Forgotten: state.Forgotten, Replayed: true}, state.Account, nil, nil
	}
	if !state.Exists { // it is not made an owner by that
		return Erasure{Epoch: state.Epoch}, state.Account, nil, nil
	}
	next := max(state.Head, state.Base) + 1
	result = Erasure{Records: state.RecordCount, Revision: next, Epoch: state.Epoch, Forgotten: state.Forgotten}
	account = Account{Head: next, Floor: next, Erased: next, Epoch: state.Epoch, Exists: true, Own: state.Own}
	if mutationID != nil {
		mutation = &Mutation{Digest: digest, Revisions: []Revision{next, Revision(result.Records)}}
	}
	return result, account, mutation, nil
}

// EraseAccount erases all of an owner's data for good: records, mutation ids, locks.
// Only the counters of revisions and fence tokens go on. It is atomic for readers,
// however much there is. confirmed is the owner once more, as a safeguard: another
// one is an *InvalidError. Other errors are *InvalidError, ErrMutationIDReused,
// *UnavailableError or the context's.
//
// locks are the names of the locks that there were: whatever keeps them beside the
// store is to forget them, too.
func (s *Service) EraseAccount(ctx context.Context, owner Owner, confirmed string, mutationID *string) (erasure Erasure, locks []string, err error) {
	if confirmed != owner.String() {
		return Erasure{}, nil, invalid("owner", "must be the owner who asks, %s: nothing was erased", owner)
	}
	if err := validateEnvelope(Request{MutationID: mutationID}); err != nil {
		return Erasure{}, nil, err
	}
	erasure, locks, err = s.store.Erase(ctx, owner, mutationID)
	if err != nil || erasure.Revision == 0 {
		return erasure, nil, err
	}
	// Also of a replay: perhaps nobody was told the first time.
	for _, f := range s.onCommit {
		f(Commit{Owner: owner, Epoch: erasure.Epoch, Erased: erasure.Revision})
	}
	s.tell(ctx, owner, erasure.Revision)
	return erasure, locks, nil
}
