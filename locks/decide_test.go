package locks_test

import (
	"testing"

	"syncline/locks"
)

// The table in the documentation of Decide, cell by cell.
func TestDecide(t *testing.T) {
	t.Parallel()
	me, you, her := locks.Holder{InstanceID: "me", Token: 7}, locks.Holder{InstanceID: "you", Token: 7}, locks.Holder{InstanceID: "her", Token: 7}
	var (
		held     = locks.Decision{}
		renewed  = locks.Decision{Granted: true, Renewed: true, Token: 7}
		joins    = locks.Decision{Granted: true, Token: 7}
		newToken = locks.Decision{Granted: true, NewToken: true}
	)
	for _, c := range []struct {
		name                        string
		lock                        locks.Lock
		wantsExclusive, wantsShared locks.Decision
	}{
		{"nobody", locks.Lock{}, newToken, newToken},
		{"only me, shared", locks.Lock{Holders: []locks.Holder{me}}, newToken, renewed},
		{"only me, exclusive", locks.Lock{Exclusive: true, Holders: []locks.Holder{me}}, renewed, renewed},
		{"other shared", locks.Lock{Holders: []locks.Holder{you}}, held, joins},
		{"others shared", locks.Lock{Holders: []locks.Holder{her, you}}, held, joins},
		{"me and others shared", locks.Lock{Holders: []locks.Holder{her, me, you}}, held, renewed},
		{"other exclusive", locks.Lock{Exclusive: true, Holders: []locks.Holder{you}}, held, held},
	} {
		for wants, want := range map[bool]locks.Decision{true: c.wantsExclusive, false: c.wantsShared} {
			got := locks.Decide(c.lock, locks.Request{InstanceID: "me", Exclusive: wants})
			if got != want {
				t.Errorf("%s, wants exclusive %v: %+v, want %+v", c.name, wants, got, want)
			}
		}
	}
}
