package locks_test

import (
	"testing"

	"syncline/locks"
)

// A renewal that names its grant renews or downgrades that one, or nothing.
func TestDecideRenewals(t *testing.T) {
	t.Parallel()
	me, newer, you := locks.Holder{InstanceID: "me", Token: 7}, locks.Holder{InstanceID: "me", Token: 8}, locks.Holder{InstanceID: "you", Token: 7}
	var (
		ended   = locks.Decision{Ended: true}
		held    = locks.Decision{}
		renewed = locks.Decision{Granted: true, Renewed: true, Token: 7}
	)
	for _, c := range []struct {
		name                        string
		lock                        locks.Lock
		wantsExclusive, wantsShared locks.Decision
	}{
		{"nobody", locks.Lock{}, ended, ended},
		{"only me, shared", locks.Lock{Holders: []locks.Holder{me}}, held, renewed},
		{"only me, exclusive", locks.Lock{Exclusive: true, Holders: []locks.Holder{me}}, renewed, renewed},
		{"me again, exclusive", locks.Lock{Exclusive: true, Holders: []locks.Holder{newer}}, ended, ended},
		{"other shared", locks.Lock{Holders: []locks.Holder{you}}, ended, ended},
		{"me and other shared", locks.Lock{Holders: []locks.Holder{me, you}}, held, renewed},
		{"other exclusive", locks.Lock{Exclusive: true, Holders: []locks.Holder{you}}, ended, ended},
	} {
		for wants, want := range map[bool]locks.Decision{true: c.wantsExclusive, false: c.wantsShared} {
			got := locks.Decide(c.lock, locks.Request{InstanceID: "me", Exclusive: wants, Renews: 7})
			if got != want {
				t.Errorf("%s, wants exclusive %v: %+v, want %+v", c.name, wants, got, want)
			}
		}
	}
}

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
