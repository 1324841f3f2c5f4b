package locks

// Decision is what a request comes to.
type Decision struct {
	Granted  bool
	Ended    bool  // the grant that was to be renewed no longer stands
	Renewed  bool  // a live holder keeps its token
	NewToken bool  // the grant joins no live holder and takes the next token
	Token    Token // the token that is kept or joined; 0 with NewToken
}

// Decide says whether a lock, its live holders given, is granted. It is the one
// statement of the rules; stores that cannot call it follow it.
//
//	                    nobody     only me, shared   only me, exclusive   others shared          other exclusive
//	wants exclusive     new token  new token         renewed              held                   held
//	wants shared        new token  renewed           renewed (downgrade)  renewed, or joins      held
//
// Nobody joins MaxHolders: every answer shows all holders.
//
// A request that renews a grant gets a renewal or a downgrade of it and nothing
// else. An upgrade is another grant: it is held.
func Decide(lock Lock, request Request) Decision {
	mine, others := split(lock.Holders, request.InstanceID)
	switch {
	case request.Renews != 0 && (mine == nil || mine.Token != request.Renews):
		return Decision{Ended: true}
	case request.Exclusive && len(others) > 0, lock.Exclusive && len(others) > 0:
		return Decision{}
	case mine != nil && (lock.Exclusive || !request.Exclusive):
		return Decision{Granted: true, Renewed: true, Token: mine.Token}
	case len(others) >= MaxHolders, request.Renews != 0:
		return Decision{}
	case !request.Exclusive && len(others) > 0:
		return Decision{Granted: true, Token: others[0].Token}
	default:
		return Decision{Granted: true, NewToken: true}
	}
}

func split(holders []Holder, instanceID string) (mine *Holder, others []Holder) {
	for i, h := range holders {
		if h.InstanceID == instanceID {
			mine = &holders[i]
		} else {
			others = append(others, h)
		}
	}
	return mine, others
}
