package lockstest

import (
	"strconv"
	"testing"
	"time"

	"syncline/locks"
)

func neverTaken(r *run) {
	r.expectHolders(r.read("a"), false)
	r.expectHolders(r.release("a", "me"), false)
	if fence := r.Fence(key("a")); fence != 0 {
		r.Errorf("the fence of a lock never granted is %d", fence)
	}
}

func tellsGrant(r *run) {
	grant := r.mustAcquire(exclusive("a", "me", long))
	if grant.Token < 1 || grant.Renewed {
		r.Errorf("first grant: %+v", grant)
	}
	r.expectHolders(grant.Lock, true, "me")
	after := r.read("a")
	r.expectHolders(after, true, "me")
	if h := after.Holders[0]; h.Token != grant.Token || !h.ExpiresAt.Equal(grant.ExpiresAt) {
		r.Errorf("read %+v after grant %+v", h, grant)
	}
}

func tellsHolder(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	refusal := r.mustBeHeld(exclusive("a", "you", long))
	r.expectHolders(refusal.Lock, true, "me")
	if h := refusal.Lock.Holders[0]; h.Token != first.Token || !h.ExpiresAt.Equal(first.ExpiresAt) {
		r.Errorf("a refusal shows %+v, want %+v", h, first)
	}
	r.expectHolders(r.read("a"), true, "me")
}

// followsTable tries each cell of the table at Decide.
func followsTable(t *testing.T, newHarness func(*testing.T) Harness) {
	states := map[string][]locks.Request{
		"nobody":             nil,
		"only me, shared":    {shared("a", "me", long)},
		"only me, exclusive": {exclusive("a", "me", long)},
		"others shared":      {shared("a", "you", long), shared("a", "her", long)},
		"all of us shared":   {shared("a", "me", long), shared("a", "you", long)},
		"other exclusive":    {exclusive("a", "you", long)},
		"mine expired":       {exclusive("a", "me", short)},
		"other's expired":    {exclusive("a", "you", short)},
		"shared expired":     {shared("a", "you", short), shared("a", "me", short)},
	}
	const newToken, joins, renewed, held = "new token", "joins", "renewed", "held"
	cells := []struct {
		state     string
		exclusive string
		shared    string
	}{
		{"nobody", newToken, newToken},
		{"only me, shared", newToken, renewed},
		{"only me, exclusive", renewed, renewed},
		{"others shared", held, joins},
		{"all of us shared", held, renewed},
		{"other exclusive", held, held},
		{"mine expired", newToken, newToken},
		{"other's expired", newToken, newToken},
		{"shared expired", newToken, newToken},
	}
	for _, cell := range cells {
		for wantsExclusive, want := range map[bool]string{true: cell.exclusive, false: cell.shared} {
			name := cell.state + ", wants shared"
			if wantsExclusive {
				name = cell.state + ", wants exclusive"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := &run{T: t, Harness: newHarness(t)}
				var before locks.Token
				for _, request := range states[cell.state] {
					before = r.mustAcquire(request).Token
					if request.TTL == short {
						defer r.expectGone(before)
					}
				}
				if len(states[cell.state]) > 0 && states[cell.state][0].TTL == short {
					r.Elapse(overShort)
				}
				grant := r.acquire(locks.Request{Name: "a", InstanceID: "me", Exclusive: wantsExclusive, TTL: long})
				if got := outcome(grant, before); got != want {
					t.Errorf("%s, want %s: %+v after token %d", got, want, grant, before)
				}
			})
		}
	}
}

// expectGone checks that no hold with a token is left.
func (r *run) expectGone(token locks.Token) {
	r.Helper()
	for _, h := range r.read("a").Holders {
		if h.Token == token {
			r.Errorf("an expired hold is back: %+v", h)
		}
	}
}

func outcome(grant locks.Grant, before locks.Token) string {
	switch {
	case !grant.Acquired:
		return "held"
	case grant.Renewed && grant.Token == before:
		return "renewed"
	case !grant.Renewed && grant.Token == before:
		return "joins"
	case !grant.Renewed && grant.Token > before:
		return "new token"
	default:
		return "nonsense"
	}
}

func boundsHolders(r *run) {
	for i := range locks.MaxHolders {
		r.mustAcquire(shared("a", strconv.Itoa(i), long))
	}
	r.mustBeHeld(shared("a", "me", long))
	if again := r.mustAcquire(shared("a", "7", long)); !again.Renewed {
		r.Errorf("one of them again: %+v, want a renewal", again)
	}
	r.release("a", "7")
	r.mustAcquire(shared("a", "me", long))
}

func sharesToken(r *run) {
	first := r.mustAcquire(shared("a", "me", long))
	for _, instance := range []string{"you", "her", "him"} {
		if joined := r.mustAcquire(shared("a", instance, long)); joined.Token != first.Token || joined.Renewed {
			r.Errorf("a joining grant has token %d, renewed %v; the first has %d", joined.Token, joined.Renewed, first.Token)
		}
	}
	r.expectHolders(r.read("a"), false, "her", "him", "me", "you")
	r.release("a", "me") // the token lives on in those who joined
	if again := r.mustAcquire(shared("a", "me", long)); again.Token != first.Token || again.Renewed {
		r.Errorf("joining again: %+v, want token %d", again, first.Token)
	}
}

func renews(r *run) {
	first := r.mustAcquire(exclusive("a", "me", slow))
	second := r.mustAcquire(exclusive("a", "me", long))
	if !second.Renewed || second.Token != first.Token || !second.ExpiresAt.After(first.ExpiresAt) {
		r.Errorf("renewal %+v of %+v", second, first)
	}
	r.Elapse(slow) // beyond the first end
	r.expectHolders(r.read("a"), true, "me")
	if third := r.mustAcquire(exclusive("a", "me", short)); !third.Renewed || third.ExpiresAt.Sub(third.Lock.ReadAt) > short {
		r.Errorf("a renewal may shorten the hold: %+v", third)
	}
}

func renewing(request locks.Request, token locks.Token) locks.Request {
	request.Renews = token
	return request
}

// mustHaveEnded asks for a renewal that must come too late.
func (r *run) mustHaveEnded(request locks.Request) locks.Grant {
	r.Helper()
	grant := r.acquire(request)
	if grant.Acquired || !grant.Ended {
		r.Fatalf("%+v: %+v, want an ended grant", request, grant)
	}
	return grant
}

func renewsByToken(r *run) {
	for name, request := range map[string]func(string, string, time.Duration) locks.Request{"x": exclusive, "s": shared} {
		first := r.mustAcquire(request(name, "me", slow))
		again := r.mustAcquire(renewing(request(name, "me", long), first.Token))
		if !again.Renewed || again.Token != first.Token || !again.ExpiresAt.After(first.ExpiresAt) {
			r.Errorf("renewed %+v, was %+v", again, first)
		}
	}
	first := r.mustAcquire(exclusive("a", "me", long))
	if lower := r.mustAcquire(renewing(shared("a", "me", long), first.Token)); !lower.Renewed || lower.Token != first.Token {
		r.Errorf("a downgrade by token: %+v after %+v", lower, first)
	}
	r.mustAcquire(shared("a", "you", long))
	if !r.mustAcquire(renewing(shared("a", "me", long), first.Token)).Renewed {
		r.Error("a shared hold beside another is not renewed by its token")
	}
}

func renewsNothing(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	r.release("a", "me")
	r.expectHolders(r.mustHaveEnded(renewing(exclusive("a", "me", long), first.Token)).Lock, false)
	r.expectHolders(r.mustHaveEnded(renewing(shared("a", "me", long), first.Token)).Lock, false)
	r.expectHolders(r.read("a"), false)

	second := r.mustAcquire(exclusive("a", "me", long)) // the same instance, again
	r.expectHolders(r.mustHaveEnded(renewing(exclusive("a", "me", short), first.Token)).Lock, true, "me")
	if h := r.read("a").Holders[0]; h.Token != second.Token || !h.ExpiresAt.Equal(second.ExpiresAt) {
		r.Errorf("a late renewal has changed %+v to %+v", second, h)
	}
	r.mustHaveEnded(renewing(exclusive("a", "you", long), second.Token)) // not yours
	r.mustHaveEnded(renewing(exclusive("never taken", "me", long), second.Token))

	r.release("a", "me")
	r.mustAcquire(exclusive("a", "you", long))
	r.expectHolders(r.mustHaveEnded(renewing(exclusive("a", "me", long), second.Token)).Lock, true, "you")

	expired := r.mustAcquire(exclusive("b", "me", short))
	r.Elapse(overShort)
	r.expectHolders(r.mustHaveEnded(renewing(exclusive("b", "me", long), expired.Token)).Lock, false)
	if fence := r.Fence(key("b")); fence != expired.Token {
		r.Errorf("a renewal that came late has moved the fence from %d to %d", expired.Token, fence)
	}
}

func renewsWithoutUpgrade(r *run) {
	first := r.mustAcquire(shared("a", "me", long))
	if grant := r.mustBeHeld(renewing(exclusive("a", "me", long), first.Token)); grant.Ended {
		r.Errorf("the shared hold is told as ended: %+v", grant)
	}
	r.expectHolders(r.read("a"), false, "me")
	if fence := r.Fence(key("a")); fence != first.Token {
		r.Errorf("a refused upgrade has moved the fence from %d to %d", first.Token, fence)
	}
}

func upgrades(r *run) {
	first := r.mustAcquire(shared("a", "me", long))
	second := r.mustAcquire(exclusive("a", "me", long))
	if second.Renewed || second.Token <= first.Token {
		r.Errorf("upgrade %+v of %+v", second, first)
	}
	r.expectHolders(r.read("a"), true, "me")
	r.mustBeHeld(shared("a", "you", long))
}

func refusesUpgrade(r *run) {
	first := r.mustAcquire(shared("a", "me", long))
	r.mustAcquire(shared("a", "you", long))
	refusal := r.mustBeHeld(exclusive("a", "me", long))
	r.expectHolders(refusal.Lock, false, "me", "you")
	after := r.read("a")
	r.expectHolders(after, false, "me", "you")
	if h := after.Holders[0]; h.Token != first.Token || !h.ExpiresAt.Equal(first.ExpiresAt) {
		r.Errorf("a refused upgrade changed the hold: %+v, was %+v", h, first)
	}
	r.release("a", "you")
	if upgraded := r.mustAcquire(exclusive("a", "me", long)); upgraded.Token <= first.Token {
		r.Errorf("upgrade to token %d after %d", upgraded.Token, first.Token)
	}
}

func downgrades(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	second := r.mustAcquire(shared("a", "me", long))
	if !second.Renewed || second.Token != first.Token {
		r.Errorf("downgrade %+v of %+v", second, first)
	}
	if joined := r.mustAcquire(shared("a", "you", long)); joined.Token != first.Token {
		r.Errorf("joined with token %d, want %d", joined.Token, first.Token)
	}
	r.expectHolders(r.read("a"), false, "me", "you")
}

func releases(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	r.expectHolders(r.release("a", "me"), false)
	r.expectHolders(r.release("a", "me"), false) // as often as one likes
	r.expectHolders(r.read("a"), false)
	if second := r.mustAcquire(exclusive("a", "me", long)); second.Renewed || second.Token <= first.Token {
		r.Errorf("grant %+v after release of %+v", second, first)
	}
}

func releasesOwn(r *run) {
	r.mustAcquire(shared("a", "me", long))
	r.mustAcquire(shared("a", "you", long))
	r.mustAcquire(exclusive("b", "me", long))
	r.expectHolders(r.release("a", "me"), false, "you")
	r.expectHolders(r.read("a"), false, "you")
	r.expectHolders(r.read("b"), true, "me")
}

func releasesNothing(r *run) {
	r.mustAcquire(exclusive("a", "me", long))
	r.expectHolders(r.release("a", "you"), true, "me")
	r.expectHolders(r.read("a"), true, "me")
	lock, err := r.Locker.Release(r.Context(), locks.Key{Owner: bob, Name: "a"}, "me")
	if err != nil || lock.Locked() {
		r.Errorf("another owner's release: %+v, %v", lock, err)
	}
	r.expectHolders(r.read("a"), true, "me")
}

func expires(r *run) {
	r.mustAcquire(exclusive("a", "me", short))
	r.Elapse(overShort)
	r.expectHolders(r.read("a"), false)
	r.expectHolders(r.release("a", "me"), false)
	r.mustAcquire(exclusive("a", "you", long))
}

func expiresSingly(r *run) {
	first := r.mustAcquire(shared("a", "you", long))
	r.mustAcquire(shared("a", "me", short))
	r.Elapse(overShort)
	r.expectHolders(r.read("a"), false, "you")
	if again := r.mustAcquire(shared("a", "me", long)); again.Token != first.Token || again.Renewed {
		r.Errorf("joining after expiry: %+v, want token %d of those who stayed", again, first.Token)
	}
}

func grantsAnew(r *run) {
	first := r.mustAcquire(exclusive("a", "me", short))
	r.Elapse(overShort)
	if second := r.mustAcquire(exclusive("a", "me", long)); second.Renewed || second.Token <= first.Token {
		r.Errorf("grant %+v after expiry of %+v", second, first)
	}
}

func neverRepeatsTokens(r *run) {
	var last locks.Token
	next := func(request locks.Request) {
		r.Helper()
		grant := r.mustAcquire(request)
		if grant.Token <= last {
			r.Errorf("token %d after %d", grant.Token, last)
		}
		last = grant.Token
	}
	next(exclusive("a", "me", long))
	next(shared("b", "me", long)) // of the owner, not of the lock
	r.release("a", "me")
	next(shared("a", "you", short))
	r.Elapse(overShort)
	next(shared("a", "you", long))
	next(exclusive("a", "you", time.Minute))
}

func forgetsFence(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	r.release("a", "me")
	r.Purge()
	if fence := r.Fence(key("a")); fence != 0 {
		r.Fatalf("the fence still stands at %d", fence)
	}
	if again := r.mustAcquire(exclusive("a", "me", long)); again.Token <= first.Token || again.Renewed {
		r.Errorf("token %d after %d", again.Token, first.Token)
	}
}

// keepsForgotten is of a hold that was kept while its fence was not: writes under it are
// refused, and they may not pass again.
func keepsForgotten(r *run) {
	for name, request := range map[string]func(string, string, time.Duration) locks.Request{"x": exclusive, "s": shared} {
		first := r.mustAcquire(request(name, "me", long))
		r.Purge()
		r.mustHaveEnded(renewing(request(name, "me", long), first.Token))
		if fence := r.Fence(key(name)); fence != 0 {
			r.Errorf("the fence of what was forgotten stands at %d", fence)
		}
		second := r.mustAcquire(request(name, "me", long))
		r.Purge()
		if again := r.mustAcquire(request(name, "me", long)); again.Token <= second.Token || again.Renewed {
			r.Errorf("renewed: %v, token %d after %d", again.Renewed, again.Token, second.Token)
		}
	}
}
